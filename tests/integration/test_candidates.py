"""Candidates planned: how a version is named, and the inputs that are written for Spark."""

from dataclasses import replace
from datetime import timedelta

import pandas as pd
import pytest
from made_candidates import IDS, NIGHT, RECIPE, build, fill_library, plan, play

from nocturne.errors import BadInput
from nocturne.nights import night_of, parse_day
from nocturne.recommend.candidates import ModelFolder, Recipe, last_offsets
from nocturne.store.versions import note_version, require_version

pytestmark = pytest.mark.integration


@pytest.fixture
def library(database):
    fill_library(database)
    return database


def test_equal_inputs_make_the_same_version(library, tmp_path):
    version = plan(library, tmp_path)
    assert version.startswith("2026-11-19.")
    assert len(version) == len("2026-11-19.") + 12
    assert plan(library, tmp_path, run_id="run-2", library="another") == version
    assert plan(library, tmp_path / "elsewhere", track_ids=IDS[::-1]) == version
    assert library["models"].count_documents({}) == 1


@pytest.mark.parametrize("change", [
    {"metric": "learned"}, {"k_max": 9}, {"neighbours": 4}, {"list_length": 6},
    {"recent_days": 8}, {"min_stability": 0.5}, {"max_cluster_share": 0.6}, {"recipe": 1},
])  # fmt: skip
def test_another_recipe_makes_another_version(library, tmp_path, change):
    recipe = replace(RECIPE, **change)
    assert plan(library, tmp_path, recipe=recipe) != plan(library, tmp_path)


def test_other_tracks_or_another_day_make_another_version(library, tmp_path):
    names = {
        plan(library, tmp_path),
        plan(library, tmp_path, track_ids=IDS[1:]),
        plan(library, tmp_path, night=night_of(parse_day("2026-11-20"))),
    }
    library["tracks"].update_one({"_id": "2"}, {"$set": {"content_sha256": "another content"}})
    names.add(plan(library, tmp_path))
    assert len(names) == 4


def test_what_was_listened_to_makes_the_version_and_what_comes_later_does_not(library, tmp_path):
    version = plan(library, tmp_path)
    play(library, "listener-00", "1", NIGHT.end)
    play(library, "new", "2", NIGHT.end + timedelta(hours=3), "like")
    play(library, "listener-00", "not in the library", NIGHT.start)
    assert plan(library, tmp_path) == version
    play(library, "listener-00", "1", NIGHT.end - timedelta(milliseconds=1), "skip")
    assert plan(library, tmp_path) != version


def test_a_plan_notes_what_the_version_is_made_of(library, tmp_path):
    model = require_version(library, plan(library, tmp_path))
    assert (model["state"], model["run_id"], model["as_of"]) == ("candidate", "run-1", NIGHT.end)
    assert (model["library"], model["data_date"]) == ("sample", "2026-11-19")
    counted = {name: model["inputs"][name] for name in ("tracks", "listeners", "dealings")}
    assert counted == {"tracks": 12, "listeners": 14, "dealings": 56}
    assert Recipe(**model["inputs"]["recipe"]) == RECIPE
    assert model["source_offsets"] == {"tracks.features[0]": 10, "tracks.features[1]": 11}


def test_the_inputs_are_written_for_spark_once(library, tmp_path):
    version = plan(library, tmp_path)
    folder = ModelFolder(tmp_path / version)
    assert pd.read_parquet(folder.tracks)["track_id"].tolist() == sorted(IDS)
    ratings = pd.read_parquet(folder.ratings)
    assert ratings["part"].value_counts().to_dict() == {"train": 28, "validation": 14, "test": 14}
    assert len(pd.read_parquet(folder.dealings)) == 56
    folder.tracks.write_bytes(b"these are what the version is named by")
    plan(library, tmp_path)
    assert folder.tracks.read_bytes() == b"these are what the version is named by"


def test_what_a_killed_plan_left_is_replaced(library, tmp_path):
    version = plan(library, tmp_path)
    folder = ModelFolder(tmp_path / version)
    whole = folder.dealings.read_bytes()
    building = folder.tracks.parent.rename(folder.path / "inputs.building")
    (building / "tracks.parquet").write_bytes(b"half")
    assert plan(library, tmp_path) == version
    assert {path.name for path in folder.path.iterdir()} == {"inputs"}
    assert folder.dealings.read_bytes() == whole


def test_a_track_of_another_feature_set_is_bad_input(library, tmp_path):
    other = {"feature_set": "fma518-v1-44100"}
    library["tracks"].update_one({"_id": "2"}, {"$set": other})
    with pytest.raises(BadInput, match=r"fma518-v1-44100, not fma518-v1-22050"):
        plan(library, tmp_path)
    assert library["models"].count_documents({}) == 0
    assert not list(tmp_path.iterdir())


def test_offsets_are_the_highest_of_each_partition():
    places = [("b", 0, 3), ("a", 1, 2), ("a", 1, 7), ("a", 0, 0)]
    sources = [
        {"source": {"topic": topic, "partition": partition, "offset": offset}}
        for topic, partition, offset in places
    ]
    assert last_offsets(sources) == {"a[0]": 0, "a[1]": 7, "b[0]": 3}


def test_a_version_noted_anew_keeps_what_it_had(library, tmp_path):
    version, _ = build(library, tmp_path)
    note_version(library, version, {"comment": "a good one"})
    assert plan(library, tmp_path, run_id="run-2") == version
    model = require_version(library, version)
    assert (model["comment"], model["run_id"]) == ("a good one", "run-1")
    assert model["tables"]
