"""Letting go of the tables of old versions."""

from datetime import UTC, datetime, timedelta
from typing import Any

from pymongo.client_session import ClientSession
from pymongo.database import Database

from nocturne.errors import BadInput
from nocturne.store.versions import (
    JUDGED_LISTS,
    RETIRED,
    STORED_STATES,
    TABLES,
    list_versions,
    live_version,
    of_version,
)

Document = dict[str, Any]
LONGEST_BUILD = timedelta(days=7)
"""A night's tasks with all their tries, and a person who is waited for, have ended by then; what
was begun earlier has been left."""


def note_built(database: Database[Document], version: str) -> None:
    """The run that built the version has ended: it is one like others."""
    database["models"].update_one({"_id": version}, {"$unset": {"building_since": ""}})


def require_kept(database: Database[Document], data_date: str, keep: int) -> None:
    """Raise BadInput if a version of that day would be retired as soon as it was built."""
    newer = {"data_date": {"$gt": data_date}, "state": {"$in": list(STORED_STATES)}}
    if (found := database["models"].count_documents(newer)) >= keep:
        raise BadInput(
            f"There are {found} versions of newer days than {data_date}, and"
            f" NOCTURNE_VERSIONS_KEPT is {keep}: this one would be removed as soon as it was built."
            " Raise that setting to have it."
        )


def remove_old_tables(database: Database[Document], keep: int) -> list[str]:
    """Drop the tables of all that is older than the newest `keep` whole versions, but never those
    of the live one or of one that a run is building; the names of the versions.

    The documents in `models` stay; what could have been made live is marked `retired`.
    """
    versions = list_versions(database)
    whole = [place for place, model in enumerate(versions) if model["state"] in STORED_STATES]
    oldest_kept = whole[:keep][-1] if whole else len(versions)
    now = datetime.now(UTC)
    old = [
        model
        for model in versions[oldest_kept + 1 :]
        if not model.get("tables_removed") and not model["live"] and not is_being_built(model, now)
    ]
    return [str(model["_id"]) for model in old if retire(database, model["_id"])]


def is_being_built(model: Document, now: datetime) -> bool:
    since = model.get("building_since")
    return since is not None and now - since < LONGEST_BUILD


def retire(database: Database[Document], version: str) -> bool:
    """Drop the version's tables; not if it has gone live, or a run has begun to build it, in the
    meantime.

    It is marked before its rows go, and as done after: what is killed in between is done again.
    """
    with database.client.start_session() as session:
        marked = session.with_transaction(lambda active: mark_retired(active, database, version))
    if not marked:
        return False
    for table in (*TABLES, JUDGED_LISTS):
        database[table].delete_many(of_version(version))
    done = {"_id": version, "tables": {"$exists": False}}
    database["models"].update_one(done, {"$set": {"tables_removed": True}})
    return True


def mark_retired(session: ClientSession, database: Database[Document], version: str) -> bool:
    live = live_version(database, session)
    model = database["models"].find_one({"_id": version}, session=session)
    if model is None or (live and live["version"] == version):
        return False
    if is_being_built(model, datetime.now(UTC)):
        return False
    state = RETIRED if model["state"] in STORED_STATES else model["state"]
    change = {"$set": {"state": state}, "$unset": {"tables": ""}}
    database["models"].update_one({"_id": version}, change, session=session)
    return True
