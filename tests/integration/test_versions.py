"""Versions on a real replica set: whole or invisible, one pointer, one history."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from pymongo.errors import DuplicateKeyError

from nocturne.errors import BadInput, NocturneError
from nocturne.store import versions
from nocturne.store.collections import ensure_collections
from nocturne.store.versions import (
    describe_table,
    is_whole,
    list_versions,
    live_at,
    live_version,
    note_version,
    open_candidate,
    publish,
    remove_old_tables,
    require_version,
    roll_back,
    write_table,
)

pytestmark = pytest.mark.integration
TABLE = "similar_tracks"


@pytest.fixture
def live(database):
    """The collection of the pointer and its history, in a database that is ready."""
    ensure_collections(database)
    return database["live"]


def make_rows(version, count=4, shift=0.0):
    return [
        {
            "_id": f"{version}/{number}",
            "version": version,
            "track_id": str(number),
            "cluster": None,
            "similar": [{"track_id": "0", "score": 0.25 + shift, "reason": "close in sound"}],
        }
        for number in range(count)
    ]


def build(database, version, rows=4):
    """A whole version, named as `<day>.<hash>`."""
    candidate = {
        "data_date": version.partition(".")[0],
        "run_id": "run-1",
        "state": "candidate",
        "inputs": {"tracks": rows},
    }
    open_candidate(database, version, candidate)
    note_version(
        database,
        version,
        {"tables": {TABLE: write_table(database, TABLE, make_rows(version, rows))}},
    )
    return version


def make_live(database, *names):
    for name in names:
        build(database, name)
        assert publish(database.client, database.name, name)


def history(live):
    return list(live.find({"_id": {"$ne": "pointer"}}).sort("seq"))


def live_names(live):
    return [entry["version"] for entry in history(live)]


# Tables


def test_a_table_is_stored_as_it_was_described(database, live):
    meant = write_table(database, TABLE, reversed(make_rows("2026-11-19.a", 2500)))
    assert meant["rows"] == 2500
    assert describe_table(database, TABLE, "2026-11-19.a") == meant
    assert database[TABLE].count_documents({}) == 2500


def test_writing_a_table_again_leaves_the_same(database, live):
    meant = write_table(database, TABLE, make_rows("2026-11-19.a"))
    assert write_table(database, TABLE, make_rows("2026-11-19.a")) == meant
    assert describe_table(database, TABLE, "2026-11-19.a") == meant


def test_what_an_interrupted_build_left_is_replaced(database, live):
    write_table(database, TABLE, make_rows("2026-11-19.a", 9, shift=0.5))
    other = write_table(database, TABLE, make_rows("2026-11-20.b"))
    meant = write_table(database, TABLE, make_rows("2026-11-19.a"))
    assert describe_table(database, TABLE, "2026-11-19.a") == meant
    assert describe_table(database, TABLE, "2026-11-20.b") == other


def test_a_version_that_exists_is_opened_as_it_is(database, live):
    build(database, "2026-11-19.a")
    opened = open_candidate(database, "2026-11-19.a", {"state": "candidate", "run_id": "run-2"})
    assert (opened["run_id"], opened["inputs"]) == ("run-1", {"tracks": 4})


def test_an_unknown_version_is_bad_input(database, live):
    for ask in (require_version, is_whole):
        with pytest.raises(BadInput, match=r"There is no version 2026-11-19\.x"):
            ask(database, "2026-11-19.x")
    for move in (publish, roll_back):
        with pytest.raises(BadInput, match=r"There is no version 2026-11-19\.x"):
            move(database.client, database.name, "2026-11-19.x")
    assert live.count_documents({}) == 0


def change_a_score(table):
    table.update_one({"_id": "2026-11-20.b/2"}, {"$set": {"similar.0.score": 0.250001}})


def lose_a_row(table):
    table.delete_one({"_id": "2026-11-20.b/2"})


def add_a_row(table):
    table.insert_one({**make_rows("2026-11-20.b")[0], "_id": "2026-11-20.b/extra"})


@pytest.mark.parametrize("tamper", [change_a_score, lose_a_row, add_a_row])
def test_a_version_that_is_not_whole_does_not_go_live(database, live, tamper):
    make_live(database, "2026-11-19.a")
    build(database, "2026-11-20.b")
    assert is_whole(database, "2026-11-20.b")
    tamper(database[TABLE])
    assert not is_whole(database, "2026-11-20.b")
    before = list(live.find())
    with pytest.raises(NocturneError, match=r"2026-11-20\.b is not whole.*build_tables"):
        publish(database.client, database.name, "2026-11-20.b")
    with pytest.raises(BadInput, match=r"2026-11-20\.b is not whole"):
        roll_back(database.client, database.name, "2026-11-20.b")
    assert list(live.find()) == before


def test_a_version_without_tables_is_not_whole(database, live):
    build(database, "2026-11-19.a")
    database["models"].update_one({"_id": "2026-11-19.a"}, {"$unset": {"tables": ""}})
    assert not is_whole(database, "2026-11-19.a")


# Publishing


def test_publishing_moves_pointer_history_and_state_together(database, live):
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    make_live(database, "2026-11-19.a")
    pointer = live_version(database)
    [entry] = history(live)
    assert pointer == {**entry, "_id": "pointer"}
    assert (pointer["version"], pointer["data_date"]) == ("2026-11-19.a", "2026-11-19")
    assert (pointer["seq"], pointer["because"]) == (1, "published")
    assert before <= pointer["at"] <= datetime.now(UTC)
    assert require_version(database, "2026-11-19.a")["state"] == "published"


def test_nothing_moves_if_the_history_cannot_be_written(database, live):
    make_live(database, "2026-11-19.a")
    live.insert_one({"_id": "history-000000002", "taken": True})
    build(database, "2026-11-20.b")
    with pytest.raises(DuplicateKeyError):
        publish(database.client, database.name, "2026-11-20.b")
    assert live_version(database)["version"] == "2026-11-19.a"
    assert require_version(database, "2026-11-20.b")["state"] == "candidate"
    live.delete_one({"_id": "history-000000002"})
    assert publish(database.client, database.name, "2026-11-20.b")
    assert live_names(live) == ["2026-11-19.a", "2026-11-20.b"]


def test_an_older_day_never_displaces_a_newer_one(database, live):
    make_live(database, "2026-11-20.b")
    build(database, "2026-11-19.a")
    assert publish(database.client, database.name, "2026-11-19.a") is False
    assert live_names(live) == ["2026-11-20.b"]
    assert require_version(database, "2026-11-19.a")["state"] == "candidate"


def test_the_same_day_built_from_other_inputs_displaces_it(database, live):
    make_live(database, "2026-11-20.b", "2026-11-20.a")
    assert live_version(database)["version"] == "2026-11-20.a"


def test_the_live_version_published_again_adds_no_history(database, live):
    make_live(database, "2026-11-19.a")
    before = list(live.find())
    assert publish(database.client, database.name, "2026-11-19.a") is True
    assert list(live.find()) == before


def test_a_newer_day_that_goes_live_meanwhile_is_not_displaced(database, live, monkeypatch):
    build(database, "2026-11-19.a")
    build(database, "2026-11-20.b")
    write_pointer = versions.write_pointer

    def write_after_another(session, *rest):
        monkeypatch.setattr(versions, "write_pointer", write_pointer)
        assert publish(database.client, database.name, "2026-11-20.b")
        write_pointer(session, *rest)

    monkeypatch.setattr(versions, "write_pointer", write_after_another)
    assert publish(database.client, database.name, "2026-11-19.a") is False
    assert live_names(live) == ["2026-11-20.b"]


def test_publishes_at_one_time_end_in_one_history(database, live):
    names = [build(database, f"2026-11-{day:02d}.a", rows=1) for day in range(1, 21)]
    start = threading.Barrier(2)

    def publish_all(mine):
        start.wait()
        return [publish(database.client, database.name, name) for name in mine]

    with ThreadPoolExecutor(2) as pool:
        moved = [pool.submit(publish_all, mine) for mine in (names[::2], names[1::2])]
        results = [outcome for future in moved for outcome in future.result()]
    entries = history(live)
    assert [entry["seq"] for entry in entries] == list(range(1, len(entries) + 1))
    assert len(entries) == sum(results)
    assert live_names(live) == sorted(live_names(live))
    last = entries[-1]
    assert last["version"] == names[-1]
    assert live_version(database) == {**last, "_id": "pointer"}


def test_readers_see_only_whole_versions(database, live):
    make_live(database, "2026-11-01.a")
    stop, seen, broken = threading.Event(), set(), []

    def poll():
        while not stop.is_set():
            version = live_version(database)["version"]
            rows = list(database[TABLE].find({"version": version}))
            seen.add(version)
            if len(rows) != 4:
                broken.append((version, len(rows)))

    readers = [threading.Thread(target=poll) for _ in range(2)]
    for reader in readers:
        reader.start()
    make_live(database, *(f"2026-11-{day:02d}.a" for day in range(2, 22)))
    stop.set()
    for reader in readers:
        reader.join()
    assert broken == []
    assert len(seen) > 1


# Rolling back


def test_a_rollback_makes_the_version_before_live(database, live):
    make_live(database, "2026-11-18.a", "2026-11-19.b", "2026-11-20.c")
    assert roll_back(database.client, database.name, None) == "2026-11-19.b"
    pointer = live_version(database)
    assert (pointer["version"], pointer["because"], pointer["seq"]) == (
        "2026-11-19.b",
        "rolled back",
        4,
    )
    assert live_names(live)[-2:] == ["2026-11-20.c", "2026-11-19.b"]


def test_a_rollback_to_a_named_version(database, live):
    make_live(database, "2026-11-18.a", "2026-11-19.b", "2026-11-20.c")
    assert roll_back(database.client, database.name, "2026-11-18.a") == "2026-11-18.a"
    assert live_version(database)["data_date"] == "2026-11-18"


def test_what_a_gate_refused_never_goes_live(database, live):
    make_live(database, "2026-11-18.a", "2026-11-19.b")
    note_version(database, "2026-11-18.a", {"state": "refused"})
    with pytest.raises(BadInput, match="refused"):
        roll_back(database.client, database.name, "2026-11-18.a")
    with pytest.raises(BadInput, match="refused"):
        publish(database.client, database.name, "2026-11-18.a")
    assert live_version(database)["version"] == "2026-11-19.b"


def test_a_rollback_passes_over_the_version_that_is_live(database, live):
    make_live(database, "2026-11-18.a", "2026-11-19.b")
    roll_back(database.client, database.name, "2026-11-19.b")
    assert roll_back(database.client, database.name, None) == "2026-11-18.a"


def test_the_next_night_goes_live_after_a_rollback(database, live):
    make_live(database, "2026-11-18.a", "2026-11-19.b")
    roll_back(database.client, database.name, None)
    make_live(database, "2026-11-20.c")
    assert live_names(live) == ["2026-11-18.a", "2026-11-19.b", "2026-11-18.a", "2026-11-20.c"]


def test_there_may_be_nothing_to_roll_back_to(database, live):
    with pytest.raises(BadInput, match="Nothing is live yet"):
        roll_back(database.client, database.name, None)
    make_live(database, "2026-11-19.a")
    with pytest.raises(BadInput, match=r"2026-11-19\.a is the only version"):
        roll_back(database.client, database.name, None)
    assert live_names(live) == ["2026-11-19.a"]


# History


def test_history_answers_what_was_live(database, live):
    make_live(database, "2026-11-18.a", "2026-11-19.b")
    roll_back(database.client, database.name, None)
    first, second, third = (entry["at"] for entry in history(live))
    instant = timedelta(milliseconds=1)
    assert live_at(database, first - instant) is None
    assert live_at(database, first)["version"] == "2026-11-18.a"
    assert live_at(database, second - instant)["version"] == "2026-11-18.a"
    assert live_at(database, second)["version"] == "2026-11-19.b"
    assert live_at(database, third - instant)["version"] == "2026-11-19.b"
    assert live_at(database, third)["version"] == "2026-11-18.a"
    assert live_at(database, datetime.now(UTC) + timedelta(days=1))["because"] == "rolled back"


def test_versions_are_listed_newest_data_first_with_the_live_one_marked(database, live):
    assert list_versions(database) == []
    make_live(database, "2026-11-18.a", "2026-11-20.c")
    build(database, "2026-11-19.b")
    listed = [(model["_id"], model["live"]) for model in list_versions(database)]
    assert listed == [("2026-11-20.c", True), ("2026-11-19.b", False), ("2026-11-18.a", False)]


# Old tables


def test_old_tables_go_and_their_documents_stay(database, live):
    make_live(database, *(f"2026-11-{day}.a" for day in range(15, 21)))
    build(database, "2026-11-01.candidate")
    assert remove_old_tables(database, keep=4) == ["2026-11-16.a", "2026-11-15.a"]
    kept = set(database[TABLE].distinct("version"))
    assert kept == {f"2026-11-{day}.a" for day in range(17, 21)} | {"2026-11-01.candidate"}
    assert require_version(database, "2026-11-15.a")["state"] == "retired"
    assert remove_old_tables(database, keep=4) == []
    with pytest.raises(BadInput, match="not whole"):
        roll_back(database.client, database.name, "2026-11-15.a")


def test_the_live_version_keeps_its_tables_however_old_it_is(database, live):
    make_live(database, *(f"2026-11-{day}.a" for day in range(15, 21)))
    roll_back(database.client, database.name, "2026-11-15.a")
    assert remove_old_tables(database, keep=2) == ["2026-11-18.a", "2026-11-17.a", "2026-11-16.a"]
    assert is_whole(database, "2026-11-15.a")
    assert live_version(database)["version"] == "2026-11-15.a"
