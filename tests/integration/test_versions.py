"""Versions on a real replica set: tables that are whole or invisible, and how they go live."""

import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import bson
import pytest
from made_versions import MAKE, ROWS, build, history, live_names, make_live, make_rows
from pymongo.errors import DuplicateKeyError

from nocturne.errors import BadInput, NocturneError
from nocturne.store import versions
from nocturne.store.collections import ensure_collections
from nocturne.store.versions import (
    TABLES,
    describe_table,
    is_complete,
    is_whole,
    live_version,
    open_candidate,
    publish,
    require_version,
    roll_back,
    write_table,
)

pytestmark = pytest.mark.integration
TABLE = "similar_tracks"
A, B = "2026-11-19.a", "2026-11-20.b"


@pytest.fixture
def live(database):
    """The collection of the pointer and its history, in a database that is ready."""
    ensure_collections(database)
    return database["live"]


def write(database, version, *numbers, score=0.25):
    return write_table(database, TABLE, version, make_rows(version, *numbers, score=score))


# Tables


@pytest.mark.parametrize("table", TABLES)
def test_a_table_is_stored_as_it_was_described(database, live, table):
    meant = write_table(database, table, A, iter(MAKE[table](A, 2500)))
    assert meant["rows"] == 2500
    assert describe_table(database, table, A) == meant
    assert database[table].count_documents({}) == 2500


def test_a_hash_is_of_the_rows_as_mongodb_stores_them(database, live):
    rows = make_rows(A, 3)
    meant = write_table(database, TABLE, A, rows)
    expected = hashlib.sha256(b"".join(map(bson.encode, rows))).hexdigest()
    assert meant == {"rows": 3, "sha256": expected}


def test_writing_a_table_again_leaves_the_same(database, live):
    meant = write(database, A)
    assert write(database, A) == meant
    assert describe_table(database, TABLE, A) == meant


def test_what_an_interrupted_build_left_is_replaced(database, live):
    """More rows than are meant, and others; those of versions of like names stay."""
    write(database, A, 9, score=0.5)
    neighbours = {name: write(database, name) for name in (f"{A}b", "2026-11-19", B, f"{A}0")}
    meant = write(database, A)
    assert describe_table(database, TABLE, A) == meant
    for name, description in neighbours.items():
        assert describe_table(database, TABLE, name) == description


def test_a_table_of_no_rows_leaves_none(database, live):
    write(database, A)
    meant = write(database, A, 0)
    assert meant["rows"] == 0
    assert describe_table(database, TABLE, A) == meant


def test_a_table_is_never_empty_while_it_is_written_again(database, live, monkeypatch):
    """Every row is there at every moment, however slowly rows come."""
    monkeypatch.setattr(versions, "WRITE_BATCH", 2)
    write(database, A, 6)
    counts = []

    def count_meanwhile():
        for row in make_rows(A, 6, score=0.5):
            counts.append(database[TABLE].count_documents({"version": A}))
            yield row

    write_table(database, TABLE, A, count_meanwhile())
    assert counts == [6] * 6


def test_a_version_that_exists_is_opened_as_it_is(database, live):
    build(database, A)
    made_at = require_version(database, A)["made_at"]
    opened = open_candidate(database, A, {"state": "candidate", "run_id": "run-2"})
    assert (opened["run_id"], opened["inputs"]) == ("run-1", {"tracks": ROWS})
    assert opened["made_at"] == made_at


def test_an_unknown_version_is_bad_input(database, live):
    for ask in (require_version, is_whole, is_complete):
        with pytest.raises(BadInput, match=r"There is no version 2026-11-19\.x"):
            ask(database, "2026-11-19.x")
    for move in (publish, roll_back):
        with pytest.raises(BadInput, match=r"There is no version 2026-11-19\.x"):
            move(database.client, database.name, "2026-11-19.x")
    assert live.count_documents({}) == 0


def change_a_score(database, table, field):
    database[table].update_one({"_id": f"{B}/00002"}, {"$set": {f"{field}.0.score": 0.250001}})


def lose_a_row(database, table, field):
    database[table].delete_one({"_id": f"{B}/00002"})


def add_a_row(database, table, field):
    database[table].insert_one({**MAKE[table](B)[0], "_id": f"{B}/extra"})


@pytest.mark.parametrize(("table", "field"), [("similar_tracks", "similar"), ("for_you", "items")])
@pytest.mark.parametrize("tamper", [change_a_score, lose_a_row, add_a_row])
def test_a_version_that_is_not_whole_does_not_go_live(database, live, tamper, table, field):
    make_live(database, A)
    build(database, B)
    assert is_whole(database, B)
    tamper(database, table, field)
    assert not is_whole(database, B)
    assert is_complete(database, B) == (tamper is change_a_score)
    before = list(live.find())
    with pytest.raises(NocturneError, match=r"2026-11-20\.b is not whole.*build_tables"):
        publish(database.client, database.name, B)
    if tamper is not change_a_score:
        with pytest.raises(BadInput, match=r"2026-11-20\.b is not whole"):
            roll_back(database.client, database.name, B)
    assert list(live.find()) == before


def test_a_version_without_tables_is_not_whole(database, live):
    build(database, A)
    database["models"].update_one({"_id": A}, {"$unset": {"tables": ""}})
    assert not is_whole(database, A)
    assert not is_complete(database, A)


# Publishing


def test_publishing_moves_pointer_history_and_state_together(database, live):
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    make_live(database, A)
    pointer = live_version(database)
    [entry] = history(database)
    assert pointer == {**entry, "_id": "pointer"}
    assert (pointer["version"], pointer["data_date"]) == (A, "2026-11-19")
    assert (pointer["seq"], pointer["because"]) == (1, "published")
    assert before <= pointer["at"] <= datetime.now(UTC)
    assert require_version(database, A)["state"] == "published"


def test_nothing_moves_if_the_history_cannot_be_written(database, live):
    make_live(database, A)
    live.insert_one({"_id": "history-000000002", "taken": True})
    build(database, B)
    with pytest.raises(DuplicateKeyError):
        publish(database.client, database.name, B)
    assert live_version(database)["version"] == A
    assert require_version(database, B)["state"] == "candidate"
    live.delete_one({"_id": "history-000000002"})
    assert publish(database.client, database.name, B)
    assert live_names(database) == [A, B]


def test_an_older_day_never_displaces_a_newer_one(database, live):
    make_live(database, B)
    build(database, A)
    assert publish(database.client, database.name, A) is False
    assert live_names(database) == [B]
    assert require_version(database, A)["state"] == "candidate"


def test_the_same_day_built_from_other_inputs_displaces_it(database, live):
    make_live(database, B, "2026-11-20.a")
    assert live_version(database)["version"] == "2026-11-20.a"


def test_the_live_version_published_again_adds_no_history(database, live):
    make_live(database, A)
    before = list(live.find())
    assert publish(database.client, database.name, A) is True
    assert list(live.find()) == before


@pytest.mark.parametrize("move", [publish, roll_back])
def test_what_a_gate_refused_never_goes_live(database, live, move):
    make_live(database, A)
    build(database, B, state="refused")
    with pytest.raises(BadInput, match=r"A gate has refused version 2026-11-20\.b"):
        move(database.client, database.name, B)
    assert live_names(database) == [A]


def test_a_newer_day_that_goes_live_meanwhile_is_not_displaced(database, live, monkeypatch):
    build(database, A)
    build(database, B)
    write_pointer = versions.write_pointer

    def write_after_another(session, *rest):
        monkeypatch.setattr(versions, "write_pointer", write_pointer)
        assert publish(database.client, database.name, B)
        write_pointer(session, *rest)

    monkeypatch.setattr(versions, "write_pointer", write_after_another)
    assert publish(database.client, database.name, A) is False
    assert live_names(database) == [B]


def test_publishes_at_one_time_end_in_one_history(database, live):
    names = [build(database, f"2026-11-{day:02d}.a", rows=1) for day in range(1, 21)]
    start = threading.Barrier(2)

    def publish_all(mine):
        start.wait()
        return [publish(database.client, database.name, name) for name in mine]

    with ThreadPoolExecutor(2) as pool:
        moved = [pool.submit(publish_all, mine) for mine in (names[::2], names[1::2])]
        results = [outcome for future in moved for outcome in future.result()]
    entries = history(database)
    assert [entry["seq"] for entry in entries] == list(range(1, len(entries) + 1))
    assert len(entries) == sum(results)
    assert live_names(database) == sorted(live_names(database))
    last = entries[-1]
    assert last["version"] == names[-1]
    assert live_version(database) == {**last, "_id": "pointer"}


def test_readers_see_only_whole_versions(database, live):
    """Both tables, while versions are written, go live, and are written once more."""
    make_live(database, "2026-11-01.a")
    stop, seen, broken = threading.Event(), set(), []

    def poll():
        while not stop.is_set():
            version = live_version(database)["version"]
            seen.add(version)
            for table in TABLES:
                rows = database[table].count_documents({"version": version})
                if rows != ROWS:
                    broken.append((version, table, rows))

    readers = [threading.Thread(target=poll) for _ in range(2)]
    for reader in readers:
        reader.start()
    for day in range(2, 22):
        make_live(database, f"2026-11-{day:02d}.a")
        build(database, f"2026-11-{day:02d}.a")
    stop.set()
    for reader in readers:
        reader.join()
    assert broken == []
    assert len(seen) > 1
