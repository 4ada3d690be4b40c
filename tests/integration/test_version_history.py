"""What was live, going back to it, and which old tables are dropped; on a real replica set."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from made_versions import build, history, live_names, make_live

from nocturne.errors import BadInput
from nocturne.store import retention, versions
from nocturne.store.collections import ensure_collections
from nocturne.store.retention import note_built, remove_old_tables, require_kept, retire
from nocturne.store.versions import (
    TABLES,
    is_whole,
    list_versions,
    live_at,
    live_version,
    note_approval,
    note_run,
    note_version,
    publish,
    require_version,
    roll_back,
)

pytestmark = pytest.mark.integration
A, B, C, D = "2026-11-18.a", "2026-11-19.b", "2026-11-20.c", "2026-11-21.d"


@pytest.fixture(autouse=True)
def ready(database):
    ensure_collections(database)


def go_back(database, version=None):
    return roll_back(database.client, database.name, version)


def stored_versions(database):
    """Names of the versions of which any table has rows: the same in both."""
    found = [set(database[table].distinct("version")) for table in TABLES]
    assert found[0] == found[1]
    return found[0]


# Rolling back


def test_a_rollback_makes_the_version_before_live(database):
    make_live(database, A, B, C)
    assert go_back(database) == B
    pointer = live_version(database)
    assert (pointer["version"], pointer["because"], pointer["seq"]) == (B, "rolled back", 4)
    assert live_names(database) == [A, B, C, B]


def test_rollbacks_go_further_back_each_time(database):
    make_live(database, A, B, C)
    assert [go_back(database), go_back(database)] == [B, A]
    with pytest.raises(BadInput, match=r"Nothing was live before 2026-11-18\.a\. .*versions"):
        go_back(database)
    assert live_names(database) == [A, B, C, B, A]


def test_a_rollback_to_a_named_version(database):
    make_live(database, A, B, C)
    assert go_back(database, A) == A
    assert live_version(database)["data_date"] == "2026-11-18"


def test_after_a_named_one_it_goes_back_from_there(database):
    make_live(database, A, B, C, D)
    go_back(database, B)
    assert go_back(database) == A


def test_forward_to_a_newer_version_and_back_again(database):
    make_live(database, A, B, C)
    assert [go_back(database), go_back(database, C), go_back(database)] == [B, C, B]


def test_the_live_version_made_live_again_changes_nothing_for_the_next(database):
    make_live(database, A, B)
    assert go_back(database, B) == B
    assert go_back(database) == A


def test_the_next_night_goes_live_after_a_rollback(database):
    make_live(database, A, B)
    go_back(database)
    make_live(database, C)
    assert live_names(database) == [A, B, A, C]
    assert go_back(database) == A, "which was live before it"


def test_there_may_be_nothing_to_roll_back_to(database):
    with pytest.raises(BadInput, match="Nothing is live yet"):
        go_back(database)
    make_live(database, A)
    with pytest.raises(BadInput, match=r"Nothing was live before 2026-11-18\.a"):
        go_back(database)
    assert live_names(database) == [A]


def test_a_version_before_that_has_lost_its_tables_is_said(database):
    make_live(database, A, B)
    database["for_you"].delete_one({"version": A})
    with pytest.raises(BadInput, match=r"2026-11-18\.a is not whole \(any more\)"):
        go_back(database)
    assert live_version(database)["version"] == B


def test_a_rollback_takes_less_than_five_seconds(database):
    build(database, A, rows=20_000)
    make_live(database, B)
    started = time.monotonic()
    go_back(database, A)
    assert time.monotonic() - started < 5


# Approval


@pytest.mark.parametrize("user", ["ann", None], ids=["by ann", "nobody answered"])
@pytest.mark.parametrize("move", [publish, roll_back])
def test_what_was_rejected_does_not_go_live(database, move, user):
    make_live(database, A)
    build(database, B, state="checked")
    note_approval(database, B, False, user)
    model = require_version(database, B)
    assert model["state"] == "rejected"
    assert (model["approval"]["approved"], model["approval"]["by"]) == (False, user)
    with pytest.raises(BadInput, match=r"2026-11-19\.b was rejected .* Clear check_candidate"):
        move(database.client, database.name, B)
    assert live_names(database) == [A]
    note_version(database, B, {"state": "checked"})
    assert publish(database.client, database.name, B), "asked again, it may go live"


def test_an_approval_is_noted_and_changes_no_state(database):
    build(database, B, state="checked")
    note_approval(database, B, True, "ann")
    model = require_version(database, B)
    assert (model["state"], model["approval"]["by"]) == ("checked", "ann")
    assert publish(database.client, database.name, B)


def test_rejecting_what_was_live_leaves_it_published(database):
    make_live(database, A)
    note_approval(database, A, False, "ann")
    assert require_version(database, A)["state"] == "published"


# History


def test_history_answers_what_was_live(database):
    make_live(database, A, B)
    go_back(database)
    first, second, third = (entry["at"] for entry in history(database))
    instant = timedelta(milliseconds=1)
    assert live_at(database, first - instant) is None
    assert live_at(database, first)["version"] == A
    assert live_at(database, second - instant)["version"] == A
    assert live_at(database, second)["version"] == B
    assert live_at(database, third - instant)["version"] == B
    assert live_at(database, third)["version"] == A
    assert live_at(database, datetime.now(UTC) + timedelta(days=1))["because"] == "rolled back"


def test_versions_are_listed_newest_data_first_with_the_live_one_marked(database):
    assert list_versions(database) == []
    make_live(database, A, C)
    build(database, B)
    listed = [(model["_id"], model["live"]) for model in list_versions(database)]
    assert listed == [(C, True), (B, False), (A, False)]


def test_of_one_day_the_last_made_comes_first(database):
    names = ["2026-11-18.b", "2026-11-18.c", "2026-11-18.a"]
    for name in names:
        build(database, name)
        time.sleep(0.002)  # MongoDB's clock has milliseconds
    assert [model["_id"] for model in list_versions(database)] == names[::-1]


# Old tables


def test_old_tables_go_and_their_documents_stay(database):
    make_live(database, *(f"2026-11-{day}.a" for day in range(15, 21)))
    assert remove_old_tables(database, keep=4) == ["2026-11-16.a", "2026-11-15.a"]
    assert stored_versions(database) == {f"2026-11-{day}.a" for day in range(17, 21)}
    assert require_version(database, "2026-11-15.a")["state"] == "retired"
    assert remove_old_tables(database, keep=4) == []
    with pytest.raises(BadInput, match="not whole"):
        go_back(database, "2026-11-15.a")


def test_a_checked_version_counts_and_one_that_cannot_go_live_does_not(database):
    states = {
        "2026-11-20.a": "published", "2026-11-19.a": "refused", "2026-11-18.a": "checked",
        "2026-11-17.a": "rejected", "2026-11-16.a": "published", "2026-11-15.a": "refused",
        "2026-11-14.a": "candidate",
    }  # fmt: skip
    for name, state in states.items():
        build(database, name, state=state)
    removed = ["2026-11-17.a", "2026-11-16.a", "2026-11-15.a", "2026-11-14.a"]
    assert remove_old_tables(database, keep=2) == removed
    assert stored_versions(database) == set(states) - set(removed)
    after = [require_version(database, name)["state"] for name in removed]
    assert after == ["rejected", "retired", "refused", "candidate"], "their verdict stays"
    assert remove_old_tables(database, keep=2) == []


def test_of_one_day_the_last_made_is_kept(database):
    """Whatever the hashes: the night was built again when more was known."""
    for name in ("2026-11-20.f", "2026-11-20.0", "2026-11-20.8"):
        build(database, name, state="checked")
        time.sleep(0.002)
    assert remove_old_tables(database, keep=2) == ["2026-11-20.f"]
    assert stored_versions(database) == {"2026-11-20.8", "2026-11-20.0"}


def test_the_live_version_keeps_its_tables_however_old_it_is(database):
    make_live(database, *(f"2026-11-{day}.a" for day in range(15, 21)))
    go_back(database, "2026-11-15.a")
    assert remove_old_tables(database, keep=2) == ["2026-11-18.a", "2026-11-17.a", "2026-11-16.a"]
    assert is_whole(database, "2026-11-15.a")
    assert live_version(database)["version"] == "2026-11-15.a"


def test_where_nothing_can_go_live_nothing_is_dropped(database):
    for name, state in {A: "refused", B: "candidate"}.items():
        build(database, name, state=state)
    assert remove_old_tables(database, keep=1) == []
    assert stored_versions(database) == {A, B}


def test_a_retired_version_that_is_built_again_is_one_like_others(database):
    make_live(database, A, B)
    assert remove_old_tables(database, keep=1) == [A]
    build(database, A)
    note_version(database, A, {"state": "checked"})
    assert go_back(database) == A


# Two at once


def test_what_a_run_is_building_is_not_retired_until_it_has_ended(database):
    """A backfill plans an old day while the scheduled night publishes."""
    make_live(database, *(f"2026-11-{day}.a" for day in range(16, 21)))
    for state in ("candidate", "checked", "retired"):
        build(database, f"2026-11-10.{state}", state=state)
        note_run(database, f"2026-11-10.{state}", "backfill-1")
    assert remove_old_tables(database, keep=4) == ["2026-11-16.a"]
    for state in ("candidate", "checked", "retired"):
        assert is_whole(database, f"2026-11-10.{state}")
        note_built(database, f"2026-11-10.{state}")
    removed = {f"2026-11-10.{state}" for state in ("candidate", "checked", "retired")}
    assert set(remove_old_tables(database, keep=4)) == removed


def test_what_was_left_half_built_goes_in_the_end(database):
    make_live(database, A, B)
    build(database, "2026-11-10.left")
    note_run(database, "2026-11-10.left", "run-1")
    began = datetime.now(UTC) - timedelta(days=8)
    note_version(database, "2026-11-10.left", {"building_since": began})
    assert remove_old_tables(database, keep=2) == ["2026-11-10.left"]


def test_retention_does_not_take_what_a_rollback_has_moved_to(database):
    """It read its list before; what has gone live meanwhile stays whole."""
    make_live(database, A, B)
    go_back(database, A)
    assert not retire(database, A)
    assert is_whole(database, A)
    assert live_version(database)["version"] == A


def test_a_rollback_does_not_move_to_what_retention_has_taken(database, monkeypatch):
    """Retention comes between the look and the move."""
    make_live(database, A, B)
    looked = versions.is_complete

    def look_then_retire(found, name):
        complete = looked(found, name)
        assert retire(found, name)
        return complete

    monkeypatch.setattr(versions, "is_complete", look_then_retire)
    with pytest.raises(BadInput, match=f"{A} is not whole"):
        go_back(database, A)
    assert live_version(database)["version"] == B


def test_a_retirement_that_was_killed_is_done_again(database, monkeypatch):
    make_live(database, A, B)
    monkeypatch.setattr(retention, "TABLES", ())
    monkeypatch.setattr(retention, "JUDGED_LISTS", "none")
    retire(database, A)
    note_version(database, A, {"tables_removed": False})
    monkeypatch.undo()
    assert A in stored_versions(database)
    assert remove_old_tables(database, keep=1) == [A]
    assert A not in stored_versions(database)


def test_a_rollback_to_what_is_live_writes_nothing(database):
    make_live(database, A, B)
    before = history(database)
    assert go_back(database, B) == B
    assert history(database) == before


def test_a_day_that_would_be_retired_at_once_is_refused_before_it_is_trained(database):
    make_live(database, *(f"2026-11-{day}.a" for day in range(15, 19)))
    build(database, "2026-11-19.r", state="refused")
    require_kept(database, "2026-11-15", keep=4)
    with pytest.raises(BadInput, match=r"4 versions of newer days than 2026-11-14.*KEPT is 4"):
        require_kept(database, "2026-11-14", keep=4)
