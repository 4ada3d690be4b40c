"""The collections: their JSON-schema validators and indexes, from one declaration."""

from dataclasses import dataclass, field
from typing import Any

from pymongo import ASCENDING, DESCENDING, MongoClient
from pymongo.database import Database
from pymongo.errors import OperationFailure
from tenacity import retry, retry_if_exception, stop_after_delay, wait_fixed

from nocturne.settings import Settings
from nocturne.store import failures

Document = dict[str, Any]
FEATURES_PER_TRACK = 518
NAMESPACE_EXISTS = 48
# BackgroundOperationInProgressForNamespace, ConflictingOperationInProgress
BEING_BUILT = {12587, 117}
LONGEST_BUILD_SECONDS = 120
Keys = list[tuple[str, int]]
BY_LISTENER: Keys = [
    (name, ASCENDING) for name in ("user_id", "action", "at", "track_id", "_id")
]  # fmt: skip
"""Of `listens`: what a listener did lately and what they never want, without reading a document."""

COPIES: Keys = [(name, ASCENDING) for name in ("version", "copy_of", "track_id")]
"""Of `similar_tracks`: which tracks are copies, without reading a row."""


@dataclass(frozen=True)
class Collection:
    """What a collection must hold; `required` maps a field to its BSON type or schema."""

    name: str
    required: dict[str, str | Document]
    indexes: list[Keys] = field(default_factory=list)

    def schema(self) -> Document:
        properties = {
            name: {"bsonType": rule} if isinstance(rule, str) else rule
            for name, rule in self.required.items()
        }
        return {"bsonType": "object", "required": sorted(self.required), "properties": properties}


def declare_collections(tracks: str = "tracks") -> list[Collection]:
    """Every collection of the music pipeline; `tracks` is what the settings call that one."""
    return [
        Collection(
            tracks,
            {
                "_id": "string",
                "metadata": "object",
                "features": describe_vector(FEATURES_PER_TRACK),
                "feature_set": "string",
                "audio_sha256": "string",
                "content_sha256": "string",
                "run_id": "string",
                "source": describe_source("as_of"),
            },
            [[("metadata.artist_name", ASCENDING), ("metadata.title", ASCENDING)]],
        ),
        Collection(
            "listens",
            {
                "_id": "string",
                "user_id": "string",
                "track_id": "string",
                "action": {"enum": ["listen", "like", "skip", "hide"]},
                "at": "date",
                "ms_played": "int",
                "source": describe_source(),
            },
            [[("at", ASCENDING)], BY_LISTENER],
        ),
        Collection(
            "quarantine",
            {"run_id": "string", "source": "string", "key": "string", "rule": "string",
             "reason": "string"},
            [[("run_id", ASCENDING), ("rule", ASCENDING)]],
        ),
        Collection("offsets", {"next_offset": "long"}),
        Collection(
            "models",
            {"data_date": "string", "run_id": "string", "state": "string", "inputs": "object"},
            [[("data_date", DESCENDING)]],
        ),
        Collection(
            "similar_tracks",
            {"version": "string", "track_id": "string", "similar": "array"},
            [[("version", ASCENDING), ("track_id", ASCENDING)], COPIES],
        ),
        Collection(
            "for_you",
            {"version": "string", "user_id": "string", "basis": "string", "items": "array"},
            [[("version", ASCENDING), ("user_id", ASCENDING)]],
        ),
        Collection(
            "judged_lists",
            {"version": "string", "user_id": "string", "items": "array", "held_out": "array",
             "heard": "array"},
        ),
        Collection("live", {}, [[("at", DESCENDING)]]),
        Collection(
            "listeners",
            {"_id": "string", "deeds": "array", "heard": "array", "skipped": "array",
             "hidden": "array", "shown": "object"},
        ),
        Collection("tokens", {"name": "string", "made_at": "date"}, [[("name", ASCENDING)]]),
    ]  # fmt: skip


def describe_vector(length: int) -> Document:
    """The schema of an array of so many doubles."""
    doubles = {"bsonType": "double"}
    return {"bsonType": "array", "minItems": length, "maxItems": length, "items": doubles}


def describe_source(*before: str) -> Document:
    """The schema of a record's `source`; the dates `before` come first in comparisons."""
    types: dict[str, str | list[str]] = dict.fromkeys((*before, "sent_at"), "date")
    types |= {"partition": ["int", "long"], "offset": ["int", "long"], "topic": "string"}
    properties = {name: {"bsonType": kind} for name, kind in types.items()}
    return {"bsonType": "object", "required": list(types), "properties": properties}


def is_being_built(error: BaseException) -> bool:
    """Does somebody else make the same index at this moment?"""
    return isinstance(error, OperationFailure) and error.code in BEING_BUILT


@retry(
    retry=retry_if_exception(is_being_built),
    stop=stop_after_delay(LONGEST_BUILD_SECONDS),
    wait=wait_fixed(0.1),
    reraise=True,
)
def ensure_collections(database: Database[Document], tracks: str = "tracks") -> None:
    """Create what is missing and bring validators and indexes to this declaration."""
    for collection in declare_collections(tracks):
        validator = {"$jsonSchema": collection.schema()} if collection.required else {}
        try:
            database.create_collection(collection.name, validator=validator, check_exists=False)
        except OperationFailure as error:
            if error.code != NAMESPACE_EXISTS:
                raise
            database.command("collMod", collection.name, validator=validator)
        for keys in collection.indexes:
            database[collection.name].create_index(keys)


def connect(
    settings: Settings, patience_seconds: float = 20, answer_seconds: float | None = None
) -> MongoClient[Document]:
    """A client whose writes are acknowledged by a majority; times are UTC. A server that is away
    is waited for so long, and one that does not answer for `answer_seconds`: each operation, and
    each part of what a cursor reads.
    """
    with failures.explaining_address():
        return MongoClient(
            settings.mongo_uri,
            timeoutMS=answer_seconds and round(answer_seconds * 1000),
            w="majority",
            tz_aware=True,
            serverSelectionTimeoutMS=round(patience_seconds * 1000),
            appname="nocturne",
        )
