"""Versions as tests make them: small tables, whole and ready to go live."""

from nocturne.store.versions import TABLES, note_version, open_candidate, publish, write_table

ROWS = 4


def make_rows(version, count=ROWS, score=0.25):
    """Rows of similar_tracks, in the order of their ids."""
    return [
        {
            "_id": f"{version}/{number:05}",
            "version": version,
            "track_id": f"{number:05}",
            "cluster": None,
            "similar": [{"track_id": "0", "score": score, "reason": "close in timbre"}],
        }
        for number in range(count)
    ]


def make_lists(version, count=ROWS, score=0.25):
    """Rows of for_you, in the order of their ids."""
    return [
        {
            "_id": f"{version}/{number:05}",
            "version": version,
            "user_id": f"{number:05}",
            "basis": "taste",
            "items": [{"track_id": "0", "score": score, "reason": "because you played Food"}],
        }
        for number in range(count)
    ]


MAKE = dict(zip(TABLES, (make_rows, make_lists), strict=True))


def build(database, version, rows=ROWS, state="candidate"):
    """A whole version, named as `<day>.<hash>`."""
    candidate = {
        "data_date": version.partition(".")[0],
        "run_id": "run-1",
        "state": state,
        "inputs": {"tracks": rows},
    }
    open_candidate(database, version, candidate)
    tables = {
        table: write_table(database, table, version, make(version, rows))
        for table, make in MAKE.items()
    }
    note_version(database, version, {"tables": tables})
    return version


def make_live(database, *names):
    for name in names:
        build(database, name)
        assert publish(database.client, database.name, name)


def history(database):
    """Entries of the live pointer's history, the oldest first."""
    return list(database["live"].find({"_id": {"$ne": "pointer"}}).sort("seq"))


def live_names(database):
    return [entry["version"] for entry in history(database)]
