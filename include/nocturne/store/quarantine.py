"""The quarantine: which files, rows and messages a run refused, with rule and reason."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from pymongo import ReplaceOne
from pymongo.database import Database

from nocturne.refusals import Refusal

Document = dict[str, Any]


def record_refusals(database: Database[Document], run_id: str, refusals: Iterable[Refusal]) -> None:
    """Keep the refusals of a run; the same run recorded again changes nothing."""
    documents = [describe_refusal(run_id, refusal) for refusal in refusals]
    if documents:
        database["quarantine"].bulk_write(
            [ReplaceOne({"_id": item["_id"]}, item, upsert=True) for item in documents],
            ordered=False,
        )


def describe_refusal(run_id: str, refusal: Refusal) -> Document:
    """The document of a refusal: its identity is all of it, for two rows may break one rule."""
    parts = (run_id, refusal.source, refusal.key, refusal.rule, refusal.reason)
    return {"_id": "|".join(parts), "run_id": run_id, **asdict(refusal)}
