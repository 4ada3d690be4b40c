"""Versions of the published tables: candidates, the live pointer and its history.

A version is a document of `models` and the rows of its tables under its name. Readers follow
the pointer, so a version is whole or invisible to them.
"""

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import bson
from pymongo import ASCENDING, DESCENDING, MongoClient, ReplaceOne
from pymongo.client_session import ClientSession
from pymongo.database import Database

from nocturne.errors import BadInput, NocturneError

Document = dict[str, Any]
POINTER = "pointer"
TABLES = ("similar_tracks", "for_you")
JUDGED_LISTS = "judged_lists"
"""Not published: by it the next version is compared with this one; it goes with the tables."""
PUBLISHED, CHECKED = "published", "checked"
REFUSED, REJECTED, RETIRED = "refused", "rejected", "retired"
STORED_STATES = (PUBLISHED, CHECKED)
WRITE_BATCH = 1000


def open_candidate(database: Database[Document], version: str, candidate: Document) -> Document:
    """The document of a version, made if it is new; an existing one is left as it is."""
    models = database["models"]
    made = {"made_at": datetime.now(UTC), **candidate}
    models.update_one({"_id": version}, {"$setOnInsert": made}, upsert=True)
    return require_version(database, version)


def require_version(database: Database[Document], version: str) -> Document:
    found = database["models"].find_one({"_id": version})
    if found is None:
        raise BadInput(f"There is no version {version}; `./nocturne versions` lists them.")
    return found


def note_version(database: Database[Document], version: str, fields: Document) -> None:
    database["models"].update_one({"_id": version}, {"$set": fields})


def note_run(database: Database[Document], version: str, run_id: str) -> None:
    """A run has come to this version, whichever run made it first, and is building it."""
    building = {"$addToSet": {"runs": run_id}, "$set": {"building_since": datetime.now(UTC)}}
    database["models"].update_one({"_id": version}, building)


def note_approval(
    database: Database[Document], version: str, approved: bool, user: str | None
) -> None:
    """Who has answered, None if nobody did in time; a version that was not live is `rejected`."""
    answer = {"approved": approved, "by": user, "at": datetime.now(UTC)}
    note_version(database, version, {"approval": answer})
    if not approved:
        never_live = {"_id": version, "state": {"$ne": PUBLISHED}}
        database["models"].update_one(never_live, {"$set": {"state": REJECTED}})


def write_table(
    database: Database[Document], table: str, version: str, rows: Iterable[Document]
) -> Document:
    """Write the rows of one version, in place of what an interrupted build left.

    Rows come in the order of their `_id`, which is `<version>/…`. The answer describes what was
    meant to be written: `{"rows": count, "sha256": of the BSON of the rows, in order}`.
    """
    digest = hashlib.sha256()
    written: set[str] = set()
    left = iter(rows)
    while batch := list(islice(left, WRITE_BATCH)):
        for row in batch:
            digest.update(bson.encode(row))
        written.update(row["_id"] for row in batch)
        database[table].bulk_write(
            [ReplaceOne({"_id": row["_id"]}, row, upsert=True) for row in batch], ordered=False
        )
    stored = (row["_id"] for row in database[table].find(of_version(version), ["_id"]))
    if strangers := [name for name in stored if name not in written]:
        database[table].delete_many({"_id": {"$in": strangers}})
    return {"rows": len(written), "sha256": digest.hexdigest()}


def of_version(version: str) -> Document:
    """The rows of a version by their `_id`, which has an index; `0` follows `/`."""
    return {"_id": {"$gte": f"{version}/", "$lt": f"{version}0"}}


def describe_table(database: Database[Document], table: str, version: str) -> Document:
    """Count and hash of what is really stored for a version."""
    rows = database[table]
    digest = hashlib.sha256()
    batches: Iterable[Any] = rows.find_raw_batches(of_version(version)).sort("_id", ASCENDING)
    for batch in batches:  # bytes, whatever the driver's types say
        digest.update(batch)
    return {"rows": count_rows(database, table, version), "sha256": digest.hexdigest()}


def count_rows(database: Database[Document], table: str, version: str) -> int:
    return database[table].count_documents(of_version(version))


def is_whole(database: Database[Document], version: str) -> bool:
    """Are all tables of the version stored as they were meant?"""
    meant = require_version(database, version).get("tables", {})
    return bool(meant) and all(
        describe_table(database, table, version) == description
        for table, description in meant.items()
    )


def is_complete(database: Database[Document], version: str) -> bool:
    """Has every table of the version its rows? Quick; their bytes were compared at publishing."""
    meant = require_version(database, version).get("tables", {})
    return bool(meant) and all(
        count_rows(database, table, version) == description["rows"]
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
    state = require_version(database, version)["state"]
    if state == REFUSED:
        raise BadInput(f"A gate has refused version {version}; it cannot be made live.")
    if state == REJECTED:
        raise BadInput(
            f"Version {version} was rejected and cannot be made live. Clear check_candidate and"
            " what follows to be asked again."
        )


def advance_pointer(session: ClientSession, database: Database[Document], version: str) -> bool:
    """Compare and move in one transaction, so that of two runs the newer day wins."""
    current = live_version(database, session)
    if current and current["version"] == version:
        return True
    require_tables(database, version, session)
    if current and current["data_date"] > require_version(database, version)["data_date"]:
        return False
    write_pointer(session, database, version, "published")
    return True


def roll_back(client: MongoClient[Document], database_name: str, version: str | None) -> str:
    """Make an earlier version live: the given one, or the one that was live before; its name.

    Raises BadInput if there is none, its rows are gone, or a gate has refused it.
    """
    database = client[database_name]
    target = version or version_before(database)
    require_not_refused(database, target)
    if not is_complete(database, target):
        raise BadInput(f"Version {target} is not whole (any more) and cannot be made live.")
    with client.start_session() as session:
        session.with_transaction(lambda active: move_back(active, database, target))
    return target


def move_back(session: ClientSession, database: Database[Document], version: str) -> None:
    """Nothing if it is live already: the history tells of changes."""
    current = live_version(database, session)
    if current and current["version"] == version:
        return
    require_tables(database, version, session)
    write_pointer(session, database, version, "rolled back")


def require_tables(database: Database[Document], version: str, session: ClientSession) -> None:
    """Raise BadInput if retention has taken the version's tables since they were looked at.

    Retention and the pointer both write the version's document, so that of two at once the later
    sees what the earlier has done.
    """
    found = database["models"].find_one({"_id": version}, ["tables"], session=session)
    if not (found and found.get("tables")):
        raise BadInput(
            f"Version {version} is not whole (any more) and cannot be made live: its tables have"
            " been removed."
        )


def version_before(database: Database[Document]) -> str:
    """What was live before the live version was first published, so that going back twice goes two
    versions back.
    """
    current = live_version(database)
    if current is None:
        raise BadInput("Nothing is live yet, so there is nothing to roll back.")
    history = database["live"]
    first = history.find_one(
        {"_id": {"$ne": POINTER}, "version": current["version"]}, sort=[("seq", ASCENDING)]
    )
    start = first["seq"] if first else current["seq"]
    earlier = history.find_one(
        {"_id": {"$ne": POINTER}, "seq": {"$lt": start}}, sort=[("seq", DESCENDING)]
    )
    if earlier is None:
        raise BadInput(
            f"Nothing was live before {current['version']}. `./nocturne versions` lists what can"
            " be made live by its name."
        )
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
    database["models"].update_one({"_id": version}, {"$set": {"state": PUBLISHED}}, session=session)


def live_at(database: Database[Document], moment: datetime) -> Document | None:
    """The history entry that was live at a moment; None before the first publishing."""
    return database["live"].find_one(
        {"_id": {"$ne": POINTER}, "at": {"$lte": moment}}, sort=[("seq", DESCENDING)]
    )


def list_versions(
    database: Database[Document],
    fields: list[str] | None = None,
    first: int = 0,
    most: int = 0,
) -> list[Document]:
    """The versions, the newest data first, of one day the last made; each with `live`.

    All of them, or `most` from the place `first` on; whole, or these `fields` of them.
    """
    current = live_version(database)
    order = [("data_date", DESCENDING), ("made_at", DESCENDING), ("_id", DESCENDING)]
    found = database["models"].find({}, fields).sort(order).skip(first).limit(most)
    return [
        {**model, "live": current is not None and current["version"] == model["_id"]}
        for model in found
    ]
