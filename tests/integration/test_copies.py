"""Copies of one recording: one of them in lists and in training, whatever their number."""

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from live_library import TRACKS, VERSION, open_desk, publish_library
from made_candidates import GROUP, IDS, LISTENERS, NIGHT, build, fill_library, plan, play

from nocturne.models.gates import Limits
from nocturne.recommend.anybody import ANYBODY
from nocturne.recommend.candidates import ModelFolder, judge_candidate
from nocturne.store.versions import require_version

pytestmark = pytest.mark.integration
LONG_AGO = NIGHT.end - timedelta(days=20)
EQUAL = [f"2-{number:02}" for number in range(20)]
RENAMED = "4-again"
COPIES = [*EQUAL, RENAMED]
EVERY = [*IDS, *COPIES]


@pytest.fixture
def library(database):
    """Twenty copies of track 2 under names of their own, and one of track 4 in another file."""
    fill_library(database)
    original = database["tracks"].find_one({"_id": "2"})
    for track_id in EQUAL:
        names = original["metadata"] | {"title": f"Song called {track_id}"}
        database["tracks"].insert_one(original | {"_id": track_id, "metadata": names})
    again = database["tracks"].find_one({"_id": "4"})
    names = again["metadata"] | {"title": "SONG  4!"}
    database["tracks"].insert_one(
        again | {"_id": RENAMED, "metadata": names, "audio_sha256": "cd" * 32}
    )
    return database


def lists_of(database, version, table, key, field):
    rows = database[table].find({"version": version})
    return {row[key]: [item["track_id"] for item in row[field]] for row in rows}


def test_copies_change_no_list_and_have_lists(library, tmp_path):
    plain, _ = build(library, tmp_path)
    version, _ = build(library, tmp_path, track_ids=EVERY)
    before, after = (
        lists_of(library, one, "similar_tracks", "track_id", "similar") for one in (plain, version)
    )
    assert set(after) == set(EVERY)
    assert {track_id: after[track_id] for track_id in IDS} == before
    assert all(after[copy] == before["2"] for copy in EQUAL)
    assert after[RENAMED] == before["4"]
    rows = library["similar_tracks"].find({"version": version, "copy_of": {"$gt": ""}})
    assert {row["track_id"]: (row["copy_of"], row["cluster"]) for row in rows} == {
        **dict.fromkeys(EQUAL, ("2", GROUP["2"])),
        RENAMED: ("4", GROUP["4"]),
    }
    lists = [lists_of(library, one, "for_you", "user_id", "items") for one in (plain, version)]
    assert lists[0] == lists[1]


def test_one_of_each_recording_is_trained_on(library, tmp_path):
    version = plan(library, tmp_path, EVERY)
    folder = ModelFolder(tmp_path / version)
    assert pd.read_parquet(folder.tracks)["track_id"].tolist() == sorted(IDS)
    assert sorted(pd.read_parquet(folder.copies)["track_id"]) == sorted(COPIES)
    inputs = require_version(library, version)["inputs"]
    assert (inputs["tracks"], inputs["recordings"]) == (33, 12)


def test_the_gates_pass_a_library_with_many_copies(library, tmp_path):
    version, _ = build(library, tmp_path, track_ids=EVERY)
    verdicts = judge_candidate(library, version, Limits(0.9, 0.1, 0.5, 0.5, 0.5))
    assert [verdict["rule"] for verdict in verdicts if not verdict["passed"]] == []


def test_what_is_done_with_a_copy_is_done_with_the_recording(library, tmp_path):
    """Hidden, or skipped twice by one copy and the other: the one in lists is left out."""
    play(library, LISTENERS[0], EQUAL[5], LONG_AGO, "hide")
    for copy in EQUAL[:2]:
        play(library, LISTENERS[1], copy, LONG_AGO, "skip")
    version, _ = build(library, tmp_path, track_ids=EVERY)
    lists = lists_of(library, version, "for_you", "user_id", "items")
    assert all("2" not in lists[listener] for listener in LISTENERS[:2])
    assert not set(COPIES) & {track for listed in lists.values() for track in listed}
    assert len(lists[ANYBODY]) == 5


def test_a_live_list_has_no_copies_and_not_what_was_heard_as_one(database):
    publish_library(database)
    copy, original = TRACKS[-1], TRACKS[1]
    database["similar_tracks"].update_one(
        {"_id": f"{VERSION}/{copy}"}, {"$set": {"copy_of": original}}
    )
    desk = open_desk(database)
    everybody = [one.track_id for one in desk.list_more("ann", len(TRACKS)).tracks]
    assert original in everybody
    play(database, "ben", copy, datetime.now(UTC).replace(microsecond=0))
    heard = [one.track_id for one in desk.list_more("ben", len(TRACKS)).tracks]
    assert original not in heard
    assert copy not in heard
    assert len(set(heard)) == len(TRACKS) - 2
