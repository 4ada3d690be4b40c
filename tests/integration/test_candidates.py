"""A version from its plan to its verdict."""

import json

import numpy as np
import pandas as pd
import pytest
from bson.int64 import Int64

from nocturne.errors import BadInput, NocturneError
from nocturne.models.candidates import (
    Recipe,
    build_tables,
    check_candidate,
    last_offsets,
    plan_candidate,
)
from nocturne.nights import night_of, parse_day
from nocturne.store.collections import ensure_collections
from nocturne.store.versions import is_whole, note_version, publish, require_version

pytestmark = pytest.mark.integration
NIGHT = night_of(parse_day("2026-11-19"))
FEATURE_SET = "fma518-v1-22050"
RECIPE = Recipe(FEATURE_SET, k_min=2, k_max=10, max_cluster_share=0.5, neighbours=3)
IDS = {"2", "3", "10", "11", "20"}


@pytest.fixture
def library(database):
    """Five stored tracks."""
    ensure_collections(database)
    generator = np.random.default_rng(0)
    for offset, track_id in enumerate(sorted(IDS)):
        database["tracks"].insert_one(make_track(track_id, offset, generator.normal(size=518)))
    return database


def make_track(track_id, offset, features):
    return {
        "_id": track_id,
        "metadata": {"title": "Food"},
        "features": features.tolist(),
        "feature_set": FEATURE_SET,
        "audio_sha256": "ab" * 32,
        "content_sha256": f"content of {track_id}",
        "run_id": "run-1",
        "source": {
            "as_of": NIGHT.end,
            "sent_at": NIGHT.end,
            "partition": offset % 2,
            "offset": Int64(offset),
            "topic": "tracks.features",
        },
    }


def plan(library, tmp_path, track_ids=IDS, night=NIGHT, recipe=RECIPE, run_id="run-1"):
    inputs = tmp_path / "inputs.parquet"
    return plan_candidate(library, "tracks", track_ids, night, recipe, run_id, inputs)


def train(tmp_path, clusters, k=2, largest_share=0.4):
    """What the Spark job writes: the inputs, a cluster for each track, and its report."""
    folder = tmp_path / "model"
    folder.mkdir(exist_ok=True)
    (tmp_path / "inputs.parquet").rename(folder / "inputs.parquet")
    frame = pd.DataFrame(clusters.items(), columns=["track_id", "cluster"])
    frame.astype({"cluster": "int32"}).to_parquet(folder / "clusters.parquet", index=False)
    report = {
        "chosen": {"k": k, "knee": None, "reason": "the best silhouette"},
        "clusterings": [
            {"k": 2, "distortion": 9.0, "silhouette": 0.3, "largest_share": largest_share}
        ],
    }
    (folder / "report.json").write_text(json.dumps(report), encoding="utf-8")
    return folder


def build(library, tmp_path, **report):
    version = plan(library, tmp_path)
    folder = train(tmp_path, {"2": 0, "3": 0, "10": 1, "11": 1, "20": 0}, **report)
    build_tables(library, "tracks", version, folder)
    return version, folder


def test_equal_inputs_make_the_same_version_and_any_change_another(library, tmp_path):
    version = plan(library, tmp_path)
    assert version.startswith("2026-11-19.")
    assert len(version) == len("2026-11-19.") + 12
    assert plan(library, tmp_path, run_id="run-2") == version
    others = {
        plan(library, tmp_path, track_ids=IDS - {"2"}),
        plan(library, tmp_path, recipe=Recipe(FEATURE_SET, 2, 9, 0.5, 3)),
        plan(library, tmp_path, night=night_of(parse_day("2026-11-20"))),
    }
    library["tracks"].update_one({"_id": "2"}, {"$set": {"content_sha256": "another content"}})
    others.add(plan(library, tmp_path))
    assert len(others - {version}) == 4


def test_a_plan_notes_what_the_version_is_made_of(library, tmp_path):
    version = plan(library, tmp_path)
    model = require_version(library, version)
    assert (model["state"], model["run_id"], model["as_of"]) == ("candidate", "run-1", NIGHT.end)
    assert model["inputs"]["tracks"] == 5
    assert Recipe(**model["inputs"]["recipe"]) == RECIPE
    assert model["source_offsets"] == {"tracks.features[0]": 4, "tracks.features[1]": 3}
    inputs = pd.read_parquet(tmp_path / "inputs.parquet")
    assert inputs["track_id"].tolist() == sorted(IDS)


def test_a_track_of_another_feature_set_is_bad_input(library, tmp_path):
    other = {"feature_set": "fma518-v1-44100"}
    library["tracks"].update_one({"_id": "2"}, {"$set": other})
    with pytest.raises(BadInput, match=r"fma518-v1-44100, not fma518-v1-22050"):
        plan(library, tmp_path)
    assert library["models"].count_documents({}) == 0


def test_offsets_are_the_highest_of_each_partition():
    places = [("b", 0, 3), ("a", 1, 2), ("a", 1, 7), ("a", 0, 0)]
    sources = [
        {"source": {"topic": topic, "partition": partition, "offset": offset}}
        for topic, partition, offset in places
    ]
    assert last_offsets(sources) == {"a[0]": 0, "a[1]": 7, "b[0]": 3}


def test_tables_are_built_checked_and_can_go_live(library, tmp_path):
    version, _ = build(library, tmp_path)
    rows = list(library["similar_tracks"].find({"version": version}))
    assert {row["track_id"]: row["cluster"] for row in rows} == {
        "2": 0,
        "3": 0,
        "10": 1,
        "11": 1,
        "20": 0,
    }
    assert {len(row["similar"]) for row in rows} == {3}
    verdicts = check_candidate(library, version)
    assert all(verdict["passed"] for verdict in verdicts)
    model = require_version(library, version)
    assert (model["state"], model["verdicts"]) == ("checked", verdicts)
    assert publish(library.client, library.name, version)


def test_building_again_changes_nothing(library, tmp_path):
    version, folder = build(library, tmp_path)
    before = list(library["similar_tracks"].find().sort("_id"))
    tables = build_tables(library, "tracks", version, folder)
    assert tables == require_version(library, version)["tables"]
    library["similar_tracks"].delete_one({})
    assert build_tables(library, "tracks", version, folder) == tables
    assert list(library["similar_tracks"].find().sort("_id")) == before


def test_without_a_clustering_the_table_has_no_clusters(library, tmp_path):
    version = plan(library, tmp_path)
    build_tables(library, "tracks", version, train(tmp_path, {}, k=None))
    assert library["similar_tracks"].distinct("cluster") == [None]
    largest = next(v for v in check_candidate(library, version) if v["rule"] == "largest_cluster")
    assert (largest["value"], largest["passed"]) == (0.0, True)


def test_a_track_that_has_gone_stops_the_build(library, tmp_path):
    version = plan(library, tmp_path)
    folder = train(tmp_path, {})
    library["tracks"].delete_one({"_id": "10"})
    with pytest.raises(NocturneError, match=r"1 tracks have left .*Clear the run from load_tracks"):
        build_tables(library, "tracks", version, folder)
    assert not is_whole(library, version)


def test_a_refused_candidate_is_kept_with_its_reasons(library, tmp_path):
    version, _ = build(library, tmp_path, largest_share=0.93)
    with pytest.raises(BadInput, match=rf"{version} was refused: largest_cluster is 0\.93"):
        check_candidate(library, version)
    model = require_version(library, version)
    assert model["state"] == "refused"
    assert [item["rule"] for item in model["verdicts"] if not item["passed"]] == ["largest_cluster"]
    assert library["similar_tracks"].count_documents({"version": version}) == 5


def test_tables_that_were_changed_are_refused(library, tmp_path):
    version, _ = build(library, tmp_path)
    library["similar_tracks"].update_one({}, {"$pop": {"similar": 1}})
    with pytest.raises(BadInput, match=r"shortest_list is 2, not 3.*stored_as_built is 0, not 1"):
        check_candidate(library, version)


def test_a_published_version_that_is_judged_again_stays_published(library, tmp_path):
    version, _ = build(library, tmp_path)
    check_candidate(library, version)
    publish(library.client, library.name, version)
    check_candidate(library, version)
    assert require_version(library, version)["state"] == "published"


def test_a_version_noted_anew_keeps_what_it_had(library, tmp_path):
    version, _ = build(library, tmp_path)
    note_version(library, version, {"comment": "a good one"})
    assert plan(library, tmp_path, run_id="run-2") == version
    model = require_version(library, version)
    assert (model["comment"], model["run_id"]) == ("a good one", "run-1")
    assert model["tables"]
