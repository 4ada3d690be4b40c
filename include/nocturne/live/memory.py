"""What is remembered of listeners, in MongoDB: written whole, one writer's change at a time."""

import logging
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pymongo import InsertOne, ReplaceOne
from pymongo.database import Database
from pymongo.errors import BulkWriteError

from nocturne.errors import ServiceUnavailable
from nocturne.live.choice import WEIGHTS, Chosen
from nocturne.live.listener import (
    MOST_TRACKS,
    UNWANTED,
    Deed,
    Listener,
    from_document,
    listener_of,
    to_document,
)
from nocturne.store import failures
from nocturne.store.collections import BY_LISTENER
from nocturne.store.records import why_unstorable

log = logging.getLogger(__name__)
Document = dict[str, Any]
COLLECTION = "listeners"
DUPLICATE_KEY = 11000
# What was done before is in the night's lists, even if some nights have failed.
SHORTEST_REACH = timedelta(days=7)
WANTED = [action for action in WEIGHTS if action not in UNWANTED]
NEWEST_BY_ACTION: Document = {
    "$group": {
        "_id": {"user_id": "$user_id", "action": "$action"},
        "newest": {
            "$topN": {
                "n": MOST_TRACKS,
                "sortBy": {"at": -1, "_id": 1},
                "output": {"_id": "$_id", "track_id": "$track_id", "at": "$at"},
            }
        },
    }
}
"""More than a listener is remembered by is not read, however much there is."""


@dataclass(frozen=True)
class Shown:
    """What a listener is shown: list number `seq` of theirs, 0 if no deed has moved it yet.

    Of two lists of a listener the one with the higher `seq` is newer; of equal ones with another
    `version`, the one of the live version.
    """

    user_id: str
    seq: int
    version: str
    at: datetime
    tracks: list[Chosen]


@dataclass(frozen=True)
class Remembered:
    """A listener, and the list made for them last; without one, `seq` is 0."""

    listener: Listener
    shown: Shown | None

    @property
    def seq(self) -> int:
        return self.shown.seq if self.shown else 0


class Memory:
    """The collection `listeners`: a document for each whose list the live recommender has made."""

    def __init__(self, database: Database[Document], recent: timedelta) -> None:
        self.listeners = database[COLLECTION]
        self.listens = database["listens"]
        self.reach = max(recent, SHORTEST_REACH)

    def recall(self, user_ids: Iterable[str]) -> dict[str, Remembered]:
        """Everybody asked for; who is not remembered yet, from their listens."""
        wanted = set(user_ids)
        with failures.explaining(self.listeners):
            documents = self.listeners.find({"_id": {"$in": sorted(wanted)}}).to_list()
        found = {document["_id"]: to_remembered(document) for document in documents}
        return found | self.reconstruct(wanted - found.keys())

    def reconstruct(self, user_ids: set[str]) -> dict[str, Remembered]:
        """What was done lately, and what leaves a track out for good; of each action the newest."""
        deeds: dict[str, list[Deed]] = {user_id: [] for user_id in user_ids}
        if user_ids:
            lately = {"action": {"$in": WANTED}, "at": {"$gte": datetime.now(UTC) - self.reach}}
            for_good = {"action": {"$in": UNWANTED}}
            theirs = {"user_id": {"$in": sorted(user_ids)}}
            wanted = {"$or": [{**theirs, **lately}, {**theirs, **for_good}]}
            with failures.explaining(self.listens):
                groups = self.listens.aggregate(
                    [{"$match": wanted}, NEWEST_BY_ACTION], hint=dict(BY_LISTENER)
                ).to_list()
            for group in groups:
                done, action = deeds[group["_id"]["user_id"]], group["_id"]["action"]
                done += (to_deed({**event, "action": action}) for event in group["newest"])
        return {
            user_id: Remembered(listener_of(user_id, done), None) for user_id, done in deeds.items()
        }

    def store(self, changes: list[tuple[Listener, Shown]]) -> list[Shown]:
        """Write listeners with their new lists, each in place of the list before; what was stored.

        Who cannot be a document of MongoDB's is left as they were, and keeps nobody else waiting.
        Raises ServiceUnavailable if another recommender has written one of them meanwhile: what
        was read is out of date then, and doing it all again is safe.
        """
        documents = [(shown, to_stored(listener, shown)) for listener, shown in changes]
        storable = [(shown, document) for shown, document in documents if is_storable(document)]
        writes = [write_of(shown, document) for shown, document in storable]
        if not writes:
            return []
        try:
            with failures.explaining(self.listeners):
                done = self.listeners.bulk_write(writes, ordered=False)
        except ServiceUnavailable as error:
            if not is_conflict(error.__cause__):
                raise
            written = 0
        else:
            written = done.matched_count + done.inserted_count
        if written < len(writes):
            raise ServiceUnavailable(
                f"Another live recommender has written some of {len(writes)} listeners of"
                f" {self.listeners.full_name} meanwhile."
            )
        return [shown for shown, _ in storable]


def to_deed(event: Document) -> Deed:
    """The deed of a document of `listens`."""
    return Deed(event["at"], event["track_id"], event["action"], event["_id"])


def to_stored(listener: Listener, shown: Shown) -> Document:
    return {"_id": listener.user_id, **to_document(listener), "shown": asdict(shown)}


def is_storable(document: Document) -> bool:
    why = why_unstorable(document)
    if why:
        log.error("Listener %r is not remembered: %s.", document["_id"], why)
    return not why


def write_of(shown: Shown, document: Document) -> InsertOne[Document] | ReplaceOne[Document]:
    if shown.seq == 1:
        return InsertOne(document)
    return ReplaceOne({"_id": shown.user_id, "shown.seq": shown.seq - 1}, document)


def is_conflict(error: BaseException | None) -> bool:
    return isinstance(error, BulkWriteError) and all(
        failed["code"] == DUPLICATE_KEY for failed in error.details["writeErrors"]
    )


def to_remembered(document: Document) -> Remembered:
    shown = dict(document["shown"])
    shown["tracks"] = [Chosen(**track) for track in shown["tracks"]]
    return Remembered(from_document(document["_id"], document), Shown(**shown))
