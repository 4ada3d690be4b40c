"""Finding tracks by title and artist: while they are typed, or misspelt.

SQLite's full-text search finds the tracks that may be meant, by the beginnings of words or by
three letters in a row; `names` and `spelling` say how near they are.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import NamedTuple

from nocturne.recommend.names import (
    CLOSE_ENOUGH,
    SAME,
    compare_artists,
    compare_songs,
    compare_titles,
    name_recording,
)
from nocturne.recommend.spelling import (
    compare_words,
    count_edits,
    fold,
    is_unspaced,
    list_pieces,
    split_letters,
    split_words,
)

# Two titles are equally near if their similarities differ by less.
TOO_CLOSE_TO_CALL = 5
LONGEST_QUERY = 200
CONSIDERED = 200
# Spaces alone divide: what a word is, `spelling` says.
TOKENS = "tokenize=\"unicode61 remove_diacritics 0 categories 'L* M* N* P* S* Co'\""
SCHEMA = f"""
CREATE TABLE tracks (track_id TEXT, title TEXT, artist TEXT, fame REAL, plain TEXT, player TEXT);
CREATE VIRTUAL TABLE words USING fts5(title, artist, content='', prefix='1 2 3', {TOKENS});
CREATE VIRTUAL TABLE pieces USING fts5(name, content='', {TOKENS});
"""
ADD_TRACK = (
    "INSERT INTO tracks(rowid, track_id, title, artist, fame, plain, player)"
    " VALUES (?, ?, ?, ?, ?, ?, ?)"
)
ADD_WORDS = "INSERT INTO words(rowid, title, artist) VALUES (?, ?, ?)"
ADD_PIECES = "INSERT INTO pieces(rowid, name) VALUES (?, ?)"


@dataclass(frozen=True)
class Track:
    """`fame` puts one track before another that is found as well."""

    track_id: str
    title: str
    artist: str
    fame: float = 0.0


@dataclass(frozen=True)
class Match:
    """How near a track is to what was asked for: 100 if it is the same but for case and marks."""

    track: Track
    similarity: float

    @property
    def is_same(self) -> bool:
        return self.similarity == SAME


class Completed(NamedTuple):
    """`guessed` if no name begins so, and these are near in spelling."""

    tracks: list[Track]
    guessed: bool


class Titles:
    """The titles of a library, in memory; safe for several threads."""

    def __init__(self, tracks: Iterable[Track]) -> None:
        self.lock = Lock()
        self.database = sqlite3.connect(":memory:", check_same_thread=False)
        self.database.executescript(SCHEMA)
        with self.database:
            for number, track in enumerate(tracks, start=1):
                self.add(number, track)

    def add(self, number: int, track: Track) -> None:
        title, artist = fold(track.title), fold(track.artist)
        pieces = " ".join(dict.fromkeys(list_pieces(split_words(title) + split_words(artist))))
        rows = {
            ADD_TRACK: (track.track_id, track.title, track.artist, track.fame, title, artist),
            ADD_WORDS: (split_runs(title), split_runs(artist)),
            ADD_PIECES: (pieces,),
        }
        for statement, row in rows.items():
            self.database.execute(statement, (number, *row))

    def complete(self, typed: str, count: int) -> list[Track]:
        """Tracks that have a word that begins like each word typed, those that are called so first,
        then the most famous; if there are none, those near in spelling.
        """
        return self.search(typed, count).tracks

    def search(self, typed: str, count: int) -> Completed:
        """The same, and whether what was typed is taken for misspelt."""
        asked = fold(typed[:LONGEST_QUERY])
        words = split_words(asked)
        if not words:
            return Completed([], guessed=False)
        begun = " ".join(map(quote_word, words))
        order = "(plain = ? OR player = ?) DESC, fame DESC, track_id"
        found = self.ask("words", begun, order, count, asked, asked)
        near = [] if found else self.find_misspelt(words, count)
        return Completed(found or near, guessed=bool(near))

    def find_misspelt(self, words: list[str], count: int) -> list[Track]:
        """Tracks whose title or artist is near to what was typed, or has a word near to each."""
        found = [(judge_typed(words, track), track) for track in self.ask_for_pieces(words)]
        near = [(similarity, track) for similarity, track in found if similarity >= CLOSE_ENOUGH]
        near.sort(key=lambda one: (-one[0], -one[1].fame, one[1].track_id))
        return [track for _, track in near[:count]]

    def match(self, title: str, artists: Sequence[str], count: int) -> list[Match]:
        """The tracks nearest in spelling, the nearest first, whatever their distance; if not a
        piece of their names is the same, famous ones. Without artists anybody's.
        """
        asked = title[:LONGEST_QUERY]
        players = [one[:LONGEST_QUERY] for one in artists if split_words(fold(one))]
        words = [word for one in (asked, *players) for word in split_words(fold(one))]
        found = self.ask_for_pieces(words) or self.ask_for_famous()
        matches = [Match(track, compare(asked, players, track)) for track in found]
        matches.sort(key=lambda one: (-one.similarity, -one.track.fame, one.track.track_id))
        return matches[:count]

    def ask_for_pieces(self, words: list[str]) -> list[Track]:
        pieces = list(dict.fromkeys(list_pieces(words)))[:LONGEST_QUERY]
        query = " OR ".join(map(quote, pieces))
        order = "rank, fame DESC, track_id"
        return self.ask("pieces", query, order, CONSIDERED) if pieces else []

    def ask_for_famous(self) -> list[Track]:
        return self.select("FROM tracks ORDER BY fame DESC, track_id LIMIT ?", CONSIDERED)

    def ask(self, table: str, query: str, order: str, count: int, *more: str) -> list[Track]:
        statement = (
            f"FROM {table} JOIN tracks ON tracks.rowid = {table}.rowid"
            f" WHERE {table} MATCH ? ORDER BY {order} LIMIT ?"
        )
        return self.select(statement, query, *more, count)

    def select(self, statement: str, *values: str | int) -> list[Track]:
        with self.lock:
            rows = self.database.execute(
                f"SELECT track_id, tracks.title, tracks.artist, fame {statement}",
                values,
            ).fetchall()
        return [Track(*row) for row in rows]


def split_runs(folded: str) -> str:
    """The words of a name, and its signs, as the index has them."""
    words = split_words(folded)
    signs = [sign for sign in folded if not sign.isalnum() and not sign.isspace()]
    plain = [letter for word in words for letter in split_letters(word)]
    return " ".join(plain + ([] if words == ["".join(signs)] else signs))


def quote_word(word: str) -> str:
    """The beginning of a word, or letters in a row where words are not told apart."""
    return quote(" ".join(word)) if is_unspaced(word) else f"{quote(word)} *"


def quote(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def judge_typed(words: list[str], track: Track) -> float:
    """How near what was typed is to a track's names, 0 to 100."""
    title, artist = split_words(fold(track.title)), split_words(fold(track.artist))
    whole = max(compare_words(words, name) for name in (title, artist, title + artist))
    edits = count_edits(words, title + artist)
    letters = len("".join(words))
    return whole if edits is None else max(whole, CLOSE_ENOUGH, SAME * (1 - edits / letters))


def compare(asked: str, artists: Sequence[str], track: Track) -> float:
    title = compare_titles(asked, track.title)
    return compare_songs(title, compare_artists(artists, track.artist)) if artists else title


def find_near(matches: Sequence[Match]) -> list[Match]:
    """Those that may be meant."""
    return [match for match in matches if match.similarity >= CLOSE_ENOUGH]


def choose_match(matches: Sequence[Match]) -> Match | None:
    """The one that must be meant; None if none is near enough, or the next is about as near and
    another recording.
    """
    near = find_near(matches)
    if not near:
        return None
    best = near[0]
    others = [match.similarity for match in near[1:] if not is_same(match.track, best.track)]
    clear = not others or best.similarity - others[0] >= TOO_CLOSE_TO_CALL
    return best if clear or best.similarity == SAME > others[0] else None


def is_same(one: Track, other: Track) -> bool:
    name = name_recording(one.title, one.artist)
    return name is not None and name == name_recording(other.title, other.artist)
