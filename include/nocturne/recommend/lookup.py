"""Reading recommendations from the live version."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from pymongo.collection import Collection
from pymongo.database import Database

from nocturne.errors import BadInput
from nocturne.listener_names import settle_name
from nocturne.recommend.anybody import ANYBODY
from nocturne.store.versions import live_version, of_version

if TYPE_CHECKING:
    from nocturne.recommend.titles import Match, Track

Document = dict[str, Any]
SHOWN_CANDIDATES = 5
LOOKUP = 10_000


@dataclass(frozen=True)
class Recommendation:
    track_id: str
    title: str
    artist: str
    score: float
    reason: str


@dataclass(frozen=True)
class SimilarTracks:
    """What the live version says about one track."""

    version: str
    track_id: str
    title: str
    artist: str
    cluster: int | None
    similar: list[Recommendation]


@dataclass(frozen=True)
class ForListener:
    """What the live version recommends to a listener; `known` is false if it is anybody's list."""

    version: str
    user_id: str
    known: bool
    basis: str
    items: list[Recommendation]


@dataclass(frozen=True)
class Meant:
    """A track found by its names; `guess` says so if another may have been meant, else nothing."""

    track_id: str
    guess: str


Names = dict[str, tuple[str, str]]


class Catalogue:
    """The live version of a database, read by track."""

    def __init__(self, database: Database[Document], tracks: str) -> None:
        self.database = database
        self.tracks: Collection[Document] = database[tracks]

    def live(self) -> str:
        pointer = live_version(self.database)
        if pointer is None:
            raise BadInput("Nothing has been published yet: `./nocturne run` does it.")
        return str(pointer["version"])

    def similar(self, track_id: str, count: int) -> SimilarTracks:
        """The nearest tracks with titles and scores. Raises BadInput for an unknown track."""
        version = self.live()
        row = self.database["similar_tracks"].find_one({"_id": f"{version}/{track_id}"})
        if row is None:
            raise BadInput(f"Track {track_id} is not in the live version {version}.")
        return self.with_titles(row, count)

    def some(self, tracks: int, count: int) -> list[SimilarTracks]:
        """A few tracks of the live version, spread over it, each with its nearest."""
        version = self.live()
        table = self.database["similar_tracks"]
        names = [row["_id"] for row in table.find({"version": version}, ["_id"]).sort("_id")]
        chosen = names[:: max(len(names) // tracks, 1)][:tracks]
        rows = table.find({"_id": {"$in": chosen}}).sort("_id")
        return [self.with_titles(row, count) for row in rows]

    def for_listener(self, user_id: str, count: int) -> ForListener:
        """The listener's list; that for anybody if the live version does not know them."""
        try:
            user_id = settle_name(user_id)
        except ValueError as error:
            raise BadInput(str(error)) from error
        version = self.live()
        table = self.database["for_you"]
        row = table.find_one({"_id": f"{version}/{user_id}"})
        row = row or table.find_one({"_id": f"{version}/{ANYBODY}"})
        if row is None:
            raise BadInput(
                f"The live version {version} has no lists for listeners: it was made by an older"
                " Nocturne. `./nocturne run` makes a new one."
            )
        items = row["items"][:count]
        names = self.find_names([item["track_id"] for item in items])
        listed = [recommend(item, names) for item in items]
        return ForListener(version, user_id, row["user_id"] == user_id, row["basis"], listed)

    def with_titles(self, row: Document, count: int) -> SimilarTracks:
        similar = row["similar"][:count]
        names = self.find_names([row["track_id"], *(item["track_id"] for item in similar)])
        listed = [recommend(item, names) for item in similar]
        title, artist = names[row["track_id"]]
        return SimilarTracks(row["version"], row["track_id"], title, artist, row["cluster"], listed)

    def find_names(self, track_ids: list[str]) -> Names:
        """Title and artist by track id; a track that has left the collection keeps its id."""
        fields = ["metadata.title", "metadata.artist_name"]
        found = self.tracks.find({"_id": {"$in": track_ids}}, fields)
        names = {item["_id"]: item["metadata"] for item in found}
        gone = {"title": "(no longer in the library)", "artist_name": ""}
        metadata = {track_id: names.get(track_id, gone) for track_id in track_ids}
        return {
            track_id: (track["title"], track["artist_name"]) for track_id, track in metadata.items()
        }

    def find_track(self, song: str, artist: str | None) -> "Meant":
        """The track that a person means by title and artist, misspelt or not.

        Raises BadInput with the nearest titles if none is near enough.
        """
        from nocturne.recommend.titles import Titles, choose_match, find_near

        artists = [artist] if artist else []
        matches = Titles(self.list_tracks(self.live())).match(song, artists, SHOWN_CANDIDATES)
        asked = f"{song!r} by {artist!r}" if artist else repr(song)
        if near := find_near(matches):
            chosen = choose_match(matches)
            sure = chosen is not None and chosen.is_same
            best = (chosen or near[0]).track
            return Meant(best.track_id, "" if sure else word_guess(asked, best, near))
        nearest = "; ".join(describe_match(match) for match in matches)
        raise BadInput(f"No track is called {asked}. The nearest: {nearest or 'none'}.")

    def list_tracks(self, version: str) -> "list[Track]":
        """The titles of a version's tracks."""
        return [track for some in self.read_tracks(version, LOOKUP) for track in some]

    def read_tracks(self, version: str, at_once: int) -> "Iterator[list[Track]]":
        """The same, at most so many at a time."""
        rows = self.database["similar_tracks"].find(of_version(version), ["_id"])
        # A row's id ends in its track's, and is in the index: no row is read.
        ids = (row["_id"].removeprefix(f"{version}/") for row in rows.batch_size(at_once))
        fields = ["metadata.title", "metadata.artist_name", "metadata.listens"]
        while some := list(islice(ids, at_once)):
            found = self.tracks.find({"_id": {"$in": some}}, fields)
            yield [name_track(track) for track in found.to_list()]


def word_guess(asked: str, best: "Track", near: "list[Match]") -> str:
    """What is said of a track that may not be the one that was meant."""
    guess = f"Which song is {asked}? Guessed: {best.title} by {best.artist} ({best.track_id})."
    others = "; ".join(describe_match(one) for one in near if one.track.track_id != best.track_id)
    return f"{guess} Others: {others}." if others else guess


def describe_match(match: "Match") -> str:
    return f"{match.track.title} by {match.track.artist} ({match.track.track_id})"


def name_track(track: Document) -> "Track":
    from nocturne.recommend.titles import Track

    metadata = track["metadata"]
    return Track(
        track["_id"],
        str(metadata["title"]),
        str(metadata["artist_name"]),
        float(metadata.get("listens") or 0),
    )


def recommend(item: Document, names: Names) -> Recommendation:
    return Recommendation(item["track_id"], *names[item["track_id"]], item["score"], item["reason"])
