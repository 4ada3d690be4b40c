"""Finding tracks by title and artist: while they are typed, or misspelt.

SQLite's full-text search finds the tracks that may be meant, by the beginnings of words or by
three letters in a row; rapidfuzz says how near they are.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from threading import Lock

from rapidfuzz import fuzz, utils

# Below this similarity (0 to 100) a title is another title; above it, a misspelt one.
CLOSE_ENOUGH = 75
SAME = 100
# Two titles are equally near if their similarities differ by less.
TOO_CLOSE_TO_CALL = 5
LONGEST_QUERY = 200
CONSIDERED = 200
SCHEMA = """
CREATE TABLE tracks (track_id TEXT, title TEXT, artist TEXT, fame REAL);
CREATE VIRTUAL TABLE words USING fts5(
    title, artist, content='tracks', prefix='1 2 3', tokenize='unicode61 remove_diacritics 2');
CREATE VIRTUAL TABLE trigrams USING fts5(
    title, artist, content='tracks', tokenize='trigram');
"""


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


class Titles:
    """The titles of a library, in memory; safe for several threads."""

    def __init__(self, tracks: Iterable[Track]) -> None:
        self.lock = Lock()
        self.database = sqlite3.connect(":memory:", check_same_thread=False)
        self.database.executescript(SCHEMA)
        rows = ((track.track_id, track.title, track.artist, track.fame) for track in tracks)
        with self.database:
            self.database.executemany("INSERT INTO tracks VALUES (?, ?, ?, ?)", rows)
            self.database.execute("INSERT INTO words(words) VALUES ('rebuild')")
            self.database.execute("INSERT INTO trigrams(trigrams) VALUES ('rebuild')")

    def complete(self, typed: str, count: int) -> list[Track]:
        """Tracks that have a word that begins like each word typed, the most famous first; if
        there are none, those near in spelling.
        """
        words = utils.default_process(typed[:LONGEST_QUERY]).split()
        if not words:
            return []
        begun = " ".join(f'"{word}" *' for word in words)
        found = self.ask("words", begun, "fame DESC, track_id", count)
        return found or [match.track for match in find_near(self.match(typed, None, count))]

    def match(self, title: str, artist: str | None, count: int) -> list[Match]:
        """The tracks nearest in spelling, the nearest first, whatever their distance; if no three
        letters in a row are theirs, famous ones.
        """
        asked = utils.default_process(" ".join([title, artist or ""])[:LONGEST_QUERY]).strip()
        parts = list(dict.fromkeys(asked[at : at + 3] for at in range(len(asked) - 2)))
        query = " OR ".join(f'"{part}"' for part in parts)
        order = "rank, fame DESC, track_id"
        found = self.ask("trigrams", query, order, CONSIDERED) if parts else self.begin(asked)
        found = found or self.ask_for_famous()
        matches = [Match(track, compare(asked, track, artist is not None)) for track in found]
        matches.sort(key=lambda one: (-one.similarity, -one.track.fame, one.track.track_id))
        return matches[:count]

    def begin(self, asked: str) -> list[Track]:
        """For titles that are too short for three letters in a row."""
        return self.ask("words", f'"{asked}" *', "fame DESC, track_id", CONSIDERED) if asked else []

    def ask_for_famous(self) -> list[Track]:
        with self.lock:
            statement = "SELECT * FROM tracks ORDER BY fame DESC, track_id LIMIT ?"
            rows = self.database.execute(statement, (CONSIDERED,)).fetchall()
        return [Track(*row) for row in rows]

    def ask(self, table: str, query: str, order: str, count: int) -> list[Track]:
        statement = (
            f"SELECT tracks.* FROM {table} JOIN tracks ON tracks.rowid = {table}.rowid"  # noqa: S608
            f" WHERE {table} MATCH ? ORDER BY {order} LIMIT ?"
        )
        with self.lock:
            rows = self.database.execute(statement, (query, count)).fetchall()
        return [Track(*row) for row in rows]


def compare(asked: str, track: Track, with_artist: bool) -> float:
    name = f"{track.title} {track.artist}" if with_artist else track.title
    return round(fuzz.WRatio(asked, utils.default_process(name)), 1)


def find_near(matches: Sequence[Match]) -> list[Match]:
    """Those that may be meant."""
    return [match for match in matches if match.similarity >= CLOSE_ENOUGH]


def choose_match(matches: Sequence[Match]) -> Track | None:
    """The one that must be meant; None if none is near enough, or the next is about as near."""
    near = find_near(matches)
    if not near:
        return None
    best, *others = [match.similarity for match in near]
    is_clear = not others or best - others[0] >= TOO_CLOSE_TO_CALL or best == SAME > others[0]
    return near[0].track if is_clear else None
