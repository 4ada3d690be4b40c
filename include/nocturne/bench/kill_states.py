"""All that a night leaves: to compare with another, and to go back to."""

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bson
from pymongo.database import Database

from nocturne.settings import Settings
from nocturne.store.versions import TABLES, describe_table, live_version, of_version

Document = dict[str, Any]
TIMES = ("made_at", "at")
PIPELINE = "pipeline"
"""Spark's own files, whose names and metadata have times and random parts."""


@dataclass(frozen=True)
class State:
    """`tables` by version, what is stored of each; `models` and `history` without times; `files`
    the hash of each file of models and reports. `raw_history` is `history` as it is.
    """

    live: str | None
    tables: dict[str, dict[str, Document]]
    models: dict[str, bytes]
    history: list[bytes]
    files: dict[str, str]
    raw_history: list[Document]

    def differences(self, other: "State") -> list[str]:
        """What of them is not the same; of files, which."""
        names = ("live", "tables", "models", "history")
        files = sorted({path for path, _ in self.files.items() ^ other.files.items()})
        return [name for name in names if getattr(self, name) != getattr(other, name)] + files


def read_state(settings: Settings, database: Database[Document]) -> State:
    models = list(database["models"].find().sort("_id"))
    history = list(database["live"].find().sort("_id"))
    live = live_version(database)
    return State(
        live=live["version"] if live else None,
        tables={model["_id"]: describe_tables(database, model["_id"]) for model in models},
        models={model["_id"]: bson.encode(without_times(model)) for model in models},
        history=[bson.encode(without_times(entry)) for entry in history],
        files={**hash_files(settings.models_dir), **hash_files(settings.reports_dir)},
        raw_history=history,
    )


def describe_tables(database: Database[Document], version: str) -> dict[str, Document]:
    return {table: describe_table(database, table, version) for table in TABLES}


def without_times(document: Document) -> Document:
    """Fields in the order of their names: a night that was interrupted may note them in another."""
    return {name: document[name] for name in sorted(document) if name not in TIMES}


def hash_files(folder: Path) -> dict[str, str]:
    """By path, those of a Spark pipeline by its folder alone."""
    found = {}
    for file in sorted(folder.rglob("*")):
        if PIPELINE in file.relative_to(folder).parts[:-1]:
            continue
        name = str(file.relative_to(folder.parent))
        found[name] = hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else "folder"
    return found


def reset(settings: Settings, database: Database[Document], before: State, version: str) -> None:
    """As if the night of this version had never begun."""
    for table in TABLES:
        database[table].delete_many(of_version(version))
    database["models"].delete_one({"_id": version})
    database["live"].delete_many({})
    database["live"].insert_many(before.raw_history)
    shutil.rmtree(settings.models_dir / version, ignore_errors=True)
    (settings.reports_dir / f"{version}.html").unlink(missing_ok=True)
