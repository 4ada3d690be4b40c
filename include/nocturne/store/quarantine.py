"""The quarantine: which files, rows and messages a run refused, with rule and reason."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from pymongo import ReplaceOne
from pymongo.database import Database

from nocturne.refusals import Refusal

Document = dict[str, Any]


def record_refusals(
    database: Database[Document], run_id: str, step: str, refusals: Iterable[Refusal]
) -> None:
    """Keep what a step of a run has refused, in place of what it refused when it was done before:
    what was mended since is refused no more.
    """
    documents = [describe_refusal(run_id, refusal) | {"step": step} for refusal in refusals]
    if documents:
        database["quarantine"].bulk_write(
            [ReplaceOne({"_id": item["_id"]}, item, upsert=True) for item in documents],
            ordered=False,
        )
    kept = [item["_id"] for item in documents]
    gone = {"run_id": run_id, "step": step, "_id": {"$nin": kept}}
    database["quarantine"].delete_many(gone)


def describe_refusal(run_id: str, refusal: Refusal) -> Document:
    """The document of a refusal: its identity is all of it, for two rows may break one rule."""
    parts = (run_id, refusal.source, refusal.key, refusal.rule, refusal.reason)
    return {"_id": "|".join(parts), "run_id": run_id, **asdict(refusal)}
