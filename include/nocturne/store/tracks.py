"""Tracks that are stored: reading them, and what must be there."""

from collections.abc import Iterable, Iterator
from typing import Any

from pymongo.collection import Collection

from nocturne.errors import NocturneError

Document = dict[str, Any]
READ_BATCH = 500


def read_tracks(
    collection: Collection[Document], track_ids: Iterable[str], fields: list[str]
) -> Iterator[Document]:
    """The tracks of these ids that exist, by id; each with `_id` and the named fields."""
    wanted = sorted(track_ids)
    for start in range(0, len(wanted), READ_BATCH):
        chosen = {"_id": {"$in": wanted[start : start + READ_BATCH]}}
        yield from collection.find(chosen, fields).sort("_id")


def describe_changed(version: str, track_ids: list[str]) -> str:
    """That stored tracks are not those that a version is named by, and what to do."""
    return (
        f"{len(track_ids)} tracks have been replaced by a later night since {version} was planned:"
        f" {', '.join(track_ids[:5])}. Equal names must mean equal rows: clear plan_candidate and"
        " what follows, and the night gets a version of what is stored now."
    )


def require_tracks(collection: Collection[Document], track_ids: set[str]) -> None:
    """Raise NocturneError naming the first tracks that were sent but are not stored."""
    found = {track["_id"] for track in read_tracks(collection, track_ids, ["_id"])}
    if missing := sorted(track_ids - found):
        raise NocturneError(
            f"{len(missing)} of {len(track_ids)} tracks that were sent are not in"
            f" {collection.full_name}: {', '.join(missing[:5])}. Run load_tracks again."
        )
