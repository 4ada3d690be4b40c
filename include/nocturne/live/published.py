"""The live version's tables, read often: what was read last is kept in memory."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from time import monotonic
from typing import Any

from pymongo.database import Database

from nocturne.live.choice import Names, Near
from nocturne.live.kept import Kept
from nocturne.recommend.anybody import ANYBODY
from nocturne.recommend.lookup import Catalogue
from nocturne.recommend.titles import Track
from nocturne.store.versions import of_version

Document = dict[str, Any]
RowName = tuple[str, str]
# How long a reader may not notice that another version went live.
POINTER_SECONDS = 1.0
# A row of similar tracks takes some 4 KB in memory, names some 300 bytes.
ROWS_KEPT = 20_000
NAMES_KEPT = 200_000
LISTS_KEPT = 10_000
VERSIONS_KEPT = 100
BEGINNING = datetime.min.replace(tzinfo=UTC)


class Published:
    """Safe for several threads. Methods raise BadInput before anything was published."""

    def __init__(self, database: Database[Document], tracks: str) -> None:
        self.database = database
        self.catalogue = Catalogue(database, tracks)
        self.pointer: tuple[str, float] | None = None
        self.rows: Kept[RowName, tuple[Near, ...]] = Kept(ROWS_KEPT, self.read_nearest)
        self.names: Kept[RowName, Names] = Kept(NAMES_KEPT, self.read_names)
        self.lists: Kept[RowName, tuple[Near, ...]] = Kept(LISTS_KEPT, self.read_listed)
        self.moments: Kept[str, datetime] = Kept(VERSIONS_KEPT, self.read_moments)
        self.ids: tuple[str, list[str]] = ("", [])
        self.copies: tuple[str, dict[str, str]] = ("", {})

    def live(self) -> str:
        """The name of the live version, as it was at most POINTER_SECONDS ago."""
        pointer = self.pointer
        if pointer is None or monotonic() - pointer[1] > POINTER_SECONDS:
            return self.look()
        return pointer[0]

    def look(self) -> str:
        """The name of the live version, as it is now."""
        version = self.catalogue.live()
        self.pointer = (version, monotonic())
        return version

    def find_as_of(self, version: str) -> datetime:
        """What happened before is in the version."""
        return self.moments.find([version])[version]

    def find_listed(self, version: str, user_id: str) -> tuple[Near, ...]:
        """The night's list for a listener, or the one for anybody."""
        found = self.lists.find([(version, user_id), (version, ANYBODY)])
        return found[version, user_id] or found[version, ANYBODY]

    def read_ahead(self, version: str, user_ids: Iterable[str]) -> None:
        """The lists of listeners who are about to be asked for, by one query."""
        self.lists.find((version, user_id) for user_id in user_ids)

    def find_nearest(self, version: str, track_ids: Iterable[str]) -> dict[str, tuple[Near, ...]]:
        """The published neighbours of those tracks that the version has."""
        found = self.rows.find((version, track_id) for track_id in track_ids)
        return {track_id: near for (_, track_id), near in found.items()}

    def find_present(self, version: str, track_ids: Iterable[str]) -> set[str]:
        """Those of the tracks that the version has."""
        return set(self.find_nearest(version, track_ids))

    def find_names(self, version: str, track_ids: Iterable[str]) -> dict[str, Names]:
        """Title and artist of each track, as they were when the version was first asked for."""
        found = self.names.find((version, track_id) for track_id in track_ids)
        return {track_id: names for (_, track_id), names in found.items()}

    def keep_names(self, version: str, tracks: Iterable[Track]) -> None:
        self.names.keep(
            {(version, track.track_id): Names(track.title, track.artist) for track in tracks}
        )

    def read_nearest(self, rows: list[RowName]) -> Mapping[RowName, tuple[Near, ...]]:
        ids = ["/".join(row) for row in rows]
        found = self.database["similar_tracks"].find({"_id": {"$in": ids}})
        return {(row["version"], row["track_id"]): to_near(row["similar"]) for row in found}

    def read_moments(self, versions: list[str]) -> Mapping[str, datetime]:
        """A version that does not say its moment is of no night: nothing was before it."""
        found = self.database["models"].find({"_id": {"$in": versions}}, ["as_of"])
        known = {model["_id"]: model.get("as_of", BEGINNING) for model in found}
        return {version: known.get(version, BEGINNING) for version in versions}

    def read_listed(self, rows: list[RowName]) -> Mapping[RowName, tuple[Near, ...]]:
        """An empty one for who has none: that is worth remembering, too."""
        ids = ["/".join(row) for row in rows]
        found = self.database["for_you"].find({"_id": {"$in": ids}})
        lists = {(row["version"], row["user_id"]): to_near(row["items"]) for row in found}
        return {row: lists.get(row, ()) for row in rows}

    def read_names(self, rows: list[RowName]) -> Mapping[RowName, Names]:
        found = self.catalogue.find_names([track_id for _, track_id in rows])
        return {(version, track_id): Names(*found[track_id]) for version, track_id in rows}

    def find_copies(self, version: str) -> dict[str, str]:
        """The version's copies, each with the track that stands for it in lists."""
        found = self.copies
        if found[0] != version:
            wanted = {"version": version, "copy_of": {"$gt": ""}}
            fields = {"_id": False, "track_id": True, "copy_of": True}
            rows = self.database["similar_tracks"].find(wanted, fields)
            found = (version, {row["track_id"]: row["copy_of"] for row in rows})
            self.copies = found
        return found[1]

    def walk(self, version: str, user_id: str) -> Iterator[str]:
        """A track of every recording of a version, from a place of each listener's own."""
        if self.ids[0] != version:
            copies = self.find_copies(version)
            rows = self.database["similar_tracks"].find(of_version(version), ["track_id"])
            every = (row["track_id"] for row in rows)
            self.ids = (version, [track_id for track_id in every if track_id not in copies])
        ids = self.ids[1]
        digest = hashlib.blake2b(user_id.encode(), digest_size=8).digest()
        start = int.from_bytes(digest) % max(len(ids), 1)
        yield from ids[start:]
        yield from ids[:start]


def to_near(items: list[Document]) -> tuple[Near, ...]:
    return tuple(
        Near(item["track_id"], item["score"], item["reason"], item.get("because")) for item in items
    )
