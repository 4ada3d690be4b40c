"""Tracks: what an upsert may change, and what must be there after it."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pymongo import ReplaceOne, UpdateOne
from pymongo.collection import Collection
from pymongo.errors import BulkWriteError

from nocturne.errors import NocturneError

Document = dict[str, Any]
DUPLICATE_KEY = 11000
READ_BATCH = 500


def hash_content(content: Document) -> str:
    """SHA-256 of a document's canonical JSON: what the track is, not how it came here."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def newer_only(track: Document) -> ReplaceOne[Document]:
    """Replace a track unless what is there is as new and says the same, or is newer.

    A document that the filter leaves out makes the upsert collide on `_id`, which
    `upsert_tracks` counts as unchanged. Of two records with one `as_of` the one sent later wins,
    so that a replay ends where the topic ends.
    """
    as_new = {
        "as_of": track["as_of"],
        "sent_at": {"$lte": track["sent_at"]},
        "content_sha256": {"$ne": track["content_sha256"]},
    }
    unless = {"_id": track["_id"], "$or": [{"as_of": {"$lt": track["as_of"]}}, as_new]}
    return ReplaceOne(unless, track, upsert=True)


def upsert_tracks(collection: Collection[Document], tracks: Iterable[Document]) -> int:
    """Apply tracks in any order; the number that changed something. Raises BulkWriteError."""
    operations: list[ReplaceOne[Document] | UpdateOne] = [
        newer_only(track) for track in newest_by_id(tracks).values()
    ]
    if not operations:
        return 0
    try:
        result: Mapping[str, Any] = collection.bulk_write(operations, ordered=False).bulk_api_result
    except BulkWriteError as error:
        result = error.details
        refused = any(failed["code"] != DUPLICATE_KEY for failed in result["writeErrors"])
        if refused or result["writeConcernErrors"]:
            raise
    return int(result["nUpserted"]) + int(result["nModified"])


def newest_by_id(tracks: Iterable[Document]) -> dict[str, Document]:
    """One record a track: an unordered write must not hold two of the same key."""
    newest: dict[str, Document] = {}
    for track in tracks:
        kept = newest.get(track["_id"])
        if kept is None or supersedes(track, kept):
            newest[track["_id"]] = track
    return newest


def supersedes(track: Document, kept: Document) -> bool:
    """What `newer_only` asks MongoDB, asked of two records of one batch."""
    if track["as_of"] != kept["as_of"]:
        return bool(track["as_of"] > kept["as_of"])
    changed = track["content_sha256"] != kept["content_sha256"]
    return changed and bool(track["sent_at"] >= kept["sent_at"])


def read_tracks(
    collection: Collection[Document], track_ids: Iterable[str], fields: list[str]
) -> Iterator[Document]:
    """The tracks of these ids that exist, by id; each with `_id` and the named fields."""
    wanted = sorted(track_ids)
    for start in range(0, len(wanted), READ_BATCH):
        chosen = {"_id": {"$in": wanted[start : start + READ_BATCH]}}
        yield from collection.find(chosen, fields).sort("_id")


def require_tracks(collection: Collection[Document], track_ids: set[str]) -> None:
    """Raise NocturneError naming the first tracks that were sent but are not stored."""
    found = {track["_id"] for track in read_tracks(collection, track_ids, ["_id"])}
    if missing := sorted(track_ids - found):
        raise NocturneError(
            f"{len(missing)} of {len(track_ids)} tracks that were sent are not in"
            f" {collection.full_name}: {', '.join(missing[:5])}. Run load_tracks again."
        )
