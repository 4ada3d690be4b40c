"""Candidates built: similar tracks and the lists of listeners, the same bytes every time."""

from dataclasses import replace
from datetime import timedelta

import bson
import pandas as pd
import pytest
from made_candidates import (
    GROUP,
    IDS,
    LISTENERS,
    NIGHT,
    RECIPE,
    build,
    fill_library,
    plan,
    play,
    train,
)

from nocturne.errors import BadInput, NocturneError
from nocturne.recommend import tables
from nocturne.recommend.anybody import ANYBODY
from nocturne.recommend.candidates import ModelFolder
from nocturne.recommend.for_you import CLOSE
from nocturne.recommend.tables import build_tables
from nocturne.store.versions import TABLES, is_whole, require_version

pytestmark = pytest.mark.integration


@pytest.fixture
def library(database):
    fill_library(database)
    return database


def read_bytes(database):
    """All rows of both tables."""
    return {
        table: [bson.encode(row) for row in database[table].find().sort("_id")] for table in TABLES
    }


def lists_of(database, version):
    rows = database["for_you"].find({"version": version})
    return {row["user_id"]: [item["track_id"] for item in row["items"]] for row in rows}


def test_every_track_and_every_listener_has_a_row(library, tmp_path):
    version, _ = build(library, tmp_path)
    similar = list(library["similar_tracks"].find({"version": version}))
    assert {row["track_id"]: row["cluster"] for row in similar} == {one: GROUP[one] for one in IDS}
    for row in similar:
        near = [item["track_id"] for item in row["similar"]]
        assert len(near) == 3
        assert {GROUP[other] for other in near} == {GROUP[row["track_id"]]}
    lists = lists_of(library, version)
    assert set(lists) == {ANYBODY, *LISTENERS}
    assert {len(listed) for listed in lists.values()} == {5}
    model = require_version(library, version)
    assert model["space"]["metric"] == "plain"
    assert model["neighbours"] == {"way": "exact", "recall": 1.0}
    assert model["shortest_possible"] == 5
    assert model["ranking"]["judged"] == 14


def test_listeners_get_what_their_kind_likes_and_why(library, tmp_path):
    version, _ = build(library, tmp_path)
    for number, listener in enumerate(LISTENERS):
        row = library["for_you"].find_one({"_id": f"{version}/{listener}"})
        own = [item for item in row["items"] if GROUP[item["track_id"]] == number % 2]
        assert row["basis"] == "taste"
        assert len(own) >= 4
        for item in own:
            assert GROUP[item["because"]] == number % 2
            assert item["reason"].startswith(f"because you played Song {item['because']}")


def test_strangers_get_what_is_popular_here_and_then_elsewhere(library, tmp_path):
    version, _ = build(library, tmp_path)
    listeners = dict.fromkeys(IDS, 0)
    for event in library["listens"].find():
        listeners[event["track_id"]] += 1
    ranked = sorted(IDS, key=lambda one: (-listeners[one], -int(one)))
    row = library["for_you"].find_one({"_id": f"{version}/{ANYBODY}"})
    assert row["basis"] == "popularity"
    scores = [item["score"] for item in row["items"]]
    assert scores == sorted(scores, reverse=True)
    assert row["items"][0]["track_id"] == ranked[0]


def test_nobody_is_shown_what_they_heard_lately_hid_or_skipped_twice(library, tmp_path):
    lately = NIGHT.end - timedelta(days=2)
    long_ago = NIGHT.end - timedelta(days=20)
    play(library, "listener-00", "2", lately)
    play(library, "listener-00", "4", long_ago, "hide")
    for hours in range(2):
        play(library, "listener-00", "6", long_ago + timedelta(hours=hours), "skip")
    play(library, "listener-00", "8", long_ago, "skip")
    version, _ = build(library, tmp_path, recipe=replace(RECIPE, list_length=99))
    lists = lists_of(library, version)
    assert set(lists["listener-00"]) == set(IDS) - {"2", "4", "6"}
    assert require_version(library, version)["shortest_possible"] == 9
    assert set(lists["listener-02"]) == set(IDS)


def test_without_listeners_there_is_a_list_for_anybody(library, tmp_path):
    library["listens"].delete_many({})
    version, folder = build(library, tmp_path)
    assert not folder.taste.exists()
    assert list(lists_of(library, version)) == [ANYBODY]
    assert require_version(library, version)["ranking"] is None
    assert library["for_you"].distinct("items.reason") == ["new here"]


def test_where_nobody_likes_anything_everybody_gets_what_is_popular(library, tmp_path):
    library["listens"].delete_many({})
    play(library, "listener-00", "2", NIGHT.end - timedelta(days=20), "skip")
    version, _ = build(library, tmp_path)
    lists = lists_of(library, version)
    assert lists["listener-00"] == lists[ANYBODY]
    assert lists[ANYBODY] == ["12", "11", "10", "9", "8"]


def test_without_a_clustering_the_tables_have_no_clusters(library, tmp_path):
    build(library, tmp_path, final=None)
    assert library["similar_tracks"].distinct("cluster") == [None]
    assert library["for_you"].distinct("items.cluster") == [None]
    for row in library["similar_tracks"].find():
        for item in row["similar"]:
            close = item["score"] >= CLOSE
            assert item["reason"] == ("close in timbre" if close else "the nearest there is")


def test_building_again_changes_nothing(library, tmp_path):
    version, folder = build(library, tmp_path)
    before, meant = read_bytes(library), require_version(library, version)
    assert build_tables(library, "tracks", version, folder) == meant["tables"]
    for table in TABLES:
        library[table].delete_one({})
        assert build_tables(library, "tracks", version, folder) == meant["tables"]
    for table in TABLES:
        library[table].delete_many({})
    assert build_tables(library, "tracks", version, folder) == meant["tables"]
    assert read_bytes(library) == before
    assert require_version(library, version) == meant


def test_the_order_in_which_things_were_stored_changes_nothing(library, tmp_path):
    build(library, tmp_path)
    before = read_bytes(library)
    for name in ("tracks", "listens"):
        stored = list(library[name].find())
        library[name].delete_many({})
        library[name].insert_many(stored[::-1])
    for name in ("models", *TABLES):
        library[name].delete_many({})
    build(library, tmp_path / "again")
    assert read_bytes(library) == before


@pytest.mark.parametrize("table", TABLES)
def test_a_build_that_was_killed_is_repaired(library, tmp_path, monkeypatch, table):
    """While a table was half written: nothing is noted, and building it again ends the same."""
    version, folder = build(library, tmp_path)
    before, meant = read_bytes(library), require_version(library, version)["tables"]
    for name in TABLES:
        library[name].delete_many({})
    library["models"].update_one({"_id": version}, {"$unset": {"tables": ""}})
    write_table = tables.write_table

    def die_half_way(database, name, own, rows):
        if name == table:
            stop_after(rows, 3, lambda some: write_table(database, name, own, some))
        return write_table(database, name, own, rows)

    monkeypatch.setattr(tables, "write_table", die_half_way)
    with pytest.raises(KeyboardInterrupt):
        build_tables(library, "tracks", version, folder)
    assert library[table].count_documents({}) == 3
    assert not is_whole(library, version)
    monkeypatch.undo()
    assert build_tables(library, "tracks", version, folder) == meant
    assert read_bytes(library) == before


def stop_after(rows, count, write):
    write([next(rows) for _ in range(count)])
    raise KeyboardInterrupt


def test_a_track_that_has_gone_stops_the_build(library, tmp_path):
    version = plan(library, tmp_path)
    folder = ModelFolder(tmp_path / version)
    train(folder)
    library["tracks"].delete_one({"_id": "10"})
    with pytest.raises(NocturneError, match=r"1 tracks have left .*Clear the run from load_tracks"):
        build_tables(library, "tracks", version, folder)
    assert not is_whole(library, version)


def test_a_track_that_a_later_night_replaced_stops_the_build(library, tmp_path):
    """Equal names, equal rows: the name holds the content that was there when it was planned."""
    version = plan(library, tmp_path)
    folder = ModelFolder(tmp_path / version)
    train(folder)
    later = {"content_sha256": "another content", "features": [0.5] * 518}
    library["tracks"].update_one({"_id": "10"}, {"$set": later})
    with pytest.raises(
        BadInput, match=r"1 tracks have been replaced .*: 10\..*clear plan_candidate"
    ):
        build_tables(library, "tracks", version, folder)
    assert not is_whole(library, version)
    assert plan(library, tmp_path) != version


def test_listening_that_is_not_what_was_planned_stops_the_build(library, tmp_path):
    version = plan(library, tmp_path)
    folder = ModelFolder(tmp_path / version)
    train(folder)
    dealings = pd.read_parquet(folder.dealings)
    dealings["plays"] += 1
    dealings.to_parquet(folder.dealings, index=False)
    with pytest.raises(BadInput, match=r"is not the listening that .*clear plan_candidate"):
        build_tables(library, "tracks", version, folder)


def test_inputs_of_an_older_nocturne_are_not_trusted(library, tmp_path):
    version = plan(library, tmp_path)
    folder = ModelFolder(tmp_path / version)
    train(folder)
    pd.read_parquet(folder.tracks)[["track_id"]].to_parquet(folder.tracks, index=False)
    with pytest.raises(BadInput, match=r"older Nocturne.*Clear plan_candidate"):
        build_tables(library, "tracks", version, folder)
