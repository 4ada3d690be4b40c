"""Versions of the published tables: candidates, the live pointer and its history.

A version is a document of `models` and the rows of its tables under its name. Readers follow
the pointer, so a version is whole or invisible to them.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from pymongo import DESCENDING, MongoClient, ReplaceOne
from pymongo.client_session import ClientSession
from pymongo.database import Database

from nocturne.errors import BadInput, NocturneError
from nocturne.store.hashes import hash_content

Document = dict[str, Any]
POINTER = "pointer"
TABLES = ("similar_tracks",)
STORED_STATES = ("published", "checked")
WRITE_BATCH = 1000


def open_candidate(database: Database[Document], version: str, candidate: Document) -> Document:
    """The document of a version, made if it is new; an existing one is left as it is."""
    models = database["models"]
    models.update_one({"_id": version}, {"$setOnInsert": candidate}, upsert=True)
    return require_version(database, version)


def require_version(database: Database[Document], version: str) -> Document:
    found = database["models"].find_one({"_id": version})
    if found is None:
        raise BadInput(f"There is no version {version}; `./nocturne versions` lists them.")
    return found


def note_version(database: Database[Document], version: str, fields: Document) -> None:
    database["models"].update_one({"_id": version}, {"$set": fields})


def write_table(database: Database[Document], table: str, rows: Iterable[Document]) -> Document:
    """Write the rows of one version, in place of what an interrupted build left.

    Each row has `version` and `track_id`. The answer describes what was meant to be written:
    `{"rows": count, "sha256": hash over the rows in order}`.
    """
    meant = sorted(rows, key=lambda row: str(row["_id"]))
    versions = {row["version"] for row in meant}
    database[table].delete_many({"version": {"$in": sorted(versions)}})
    for start in range(0, len(meant), WRITE_BATCH):
        batch = meant[start : start + WRITE_BATCH]
        database[table].bulk_write(
            [ReplaceOne({"_id": row["_id"]}, row, upsert=True) for row in batch], ordered=False
        )
    return describe_rows(iter(meant))


def describe_rows(rows: Iterator[Document]) -> Document:
    hashes = [hash_content(row) for row in rows]
    return {"rows": len(hashes), "sha256": hash_content({"rows": hashes})}


def describe_table(database: Database[Document], table: str, version: str) -> Document:
    """Count and hash of what is really stored for a version."""
    return describe_rows(iter(database[table].find({"version": version}).sort("_id")))


def is_whole(database: Database[Document], version: str) -> bool:
    """Are all tables of the version stored as they were meant?"""
    meant = require_version(database, version).get("tables", {})
    return bool(meant) and all(
        describe_table(database, table, version) == description
        for table, description in meant.items()
    )


def live_version(
    database: Database[Document], session: ClientSession | None = None
) -> Document | None:
    """The pointer: `version`, `data_date`, `at`; None before the first publishing."""
    return database["live"].find_one({"_id": POINTER}, session=session)


def publish(client: MongoClient[Document], database_name: str, version: str) -> bool:
    """Make a version live unless a newer day is; did the pointer move, or stand there already?

    Raises NocturneError if the version is not whole, BadInput if a gate has refused it: then
    nothing changes.
    """
    database = client[database_name]
    require_not_refused(database, version)
    if not is_whole(database, version):
        raise NocturneError(
            f"Version {version} is not whole: its tables differ from what was built. Clear"
            " build_tables and everything after it."
        )
    with client.start_session() as session:
        return session.with_transaction(lambda active: advance_pointer(active, database, version))


def require_not_refused(database: Database[Document], version: str) -> None:
    if require_version(database, version)["state"] == "refused":
        raise BadInput(f"A gate has refused version {version}; it cannot be made live.")


def advance_pointer(session: ClientSession, database: Database[Document], version: str) -> bool:
    """Compare and move in one transaction, so that of two runs the newer day wins."""
    current = live_version(database, session)
    if current and current["version"] == version:
        return True
    if current and current["data_date"] > require_version(database, version)["data_date"]:
        return False
    write_pointer(session, database, version, "published")
    return True


def roll_back(client: MongoClient[Document], database_name: str, version: str | None) -> str:
    """Make an earlier version live: the given one, or the one that was live before.

    Raises BadInput if there is none, it is not whole, or a gate has refused it.
    """
    database = client[database_name]
    target = version or version_before(database)
    require_not_refused(database, target)
    if not is_whole(database, target):
        raise BadInput(f"Version {target} is not whole (any more) and cannot be made live.")
    with client.start_session() as session:
        session.with_transaction(
            lambda active: write_pointer(active, database, target, "rolled back")
        )
    return target


def version_before(database: Database[Document]) -> str:
    current = live_version(database)
    if current is None:
        raise BadInput("Nothing is live yet, so there is nothing to roll back.")
    earlier = database["live"].find_one(
        {"seq": {"$lt": current["seq"]}, "version": {"$ne": current["version"]}},
        sort=[("seq", DESCENDING)],
    )
    if earlier is None:
        raise BadInput(f"{current['version']} is the only version that was ever live.")
    return str(earlier["version"])


def write_pointer(
    session: ClientSession, database: Database[Document], version: str, because: str
) -> None:
    """Move the pointer and write its history; the session makes that both or neither."""
    live = database["live"]
    last = live_version(database, session)
    entry = {
        "version": version,
        "data_date": require_version(database, version)["data_date"],
        "at": datetime.now(UTC),
        "because": because,
        "seq": last["seq"] + 1 if last else 1,
    }
    live.replace_one({"_id": POINTER}, entry, upsert=True, session=session)
    live.insert_one({"_id": f"history-{entry['seq']:09d}", **entry}, session=session)
    database["models"].update_one(
        {"_id": version}, {"$set": {"state": "published"}}, session=session
    )


def live_at(database: Database[Document], moment: datetime) -> Document | None:
    """The history entry that was live at a moment; None before the first publishing."""
    return database["live"].find_one(
        {"_id": {"$ne": POINTER}, "at": {"$lte": moment}}, sort=[("seq", DESCENDING)]
    )


def list_versions(database: Database[Document]) -> list[Document]:
    """All versions, the newest data first, each with `live` true or false."""
    current = live_version(database)
    found = database["models"].find().sort([("data_date", DESCENDING), ("_id", DESCENDING)])
    return [
        {**model, "live": current is not None and current["version"] == model["_id"]}
        for model in found
    ]


def remove_old_tables(database: Database[Document], keep: int) -> list[str]:
    """Drop the tables of all but the newest `keep` whole versions; never those of the live one.

    The documents in `models` stay, marked `retired`.
    """
    stored = [model for model in list_versions(database) if model["state"] in STORED_STATES]
    retired = [model["_id"] for model in stored[keep:] if not model["live"]]
    for version in retired:
        for table in TABLES:
            database[table].delete_many({"version": version})
        note_version(database, version, {"state": "retired"})
    return retired
