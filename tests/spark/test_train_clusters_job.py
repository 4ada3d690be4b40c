import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyspark.ml import PipelineModel

from nocturne.errors import NocturneError
from nocturne.settings import Settings
from spark_jobs import train_clusters
from spark_jobs.train_clusters import (
    add_vector,
    assign_clusters,
    keep_wanted,
    parse_arguments,
    run_job,
    train,
    write_whole,
)

pytestmark = pytest.mark.spark

SCHEMA = "_id string, features array<double>"
DIMENSIONS = 6


def plant(*sizes: int) -> pd.DataFrame:
    """Well separated blobs: `track_id`, `features` and the `blob` of each track, shuffled.

    The last feature is the same for all tracks, the first in other units than the rest.
    """
    random = np.random.default_rng(7)
    blobs = np.repeat(np.arange(len(sizes)), sizes)
    centres = random.uniform(-1, 1, (len(sizes), DIMENSIONS)) + 10 * np.eye(len(sizes), DIMENSIONS)
    points = centres[blobs] + random.normal(0, 0.1, (len(blobs), DIMENSIONS))
    points[:, 0] *= 1000
    points[:, -1] = 5.0
    tracks = pd.DataFrame(
        {
            "track_id": [f"{number:03d}" for number in range(len(blobs))],
            "features": points.tolist(),
            "blob": blobs,
        }
    )
    return tracks.sample(frac=1, random_state=3)


@pytest.fixture
def as_tracks(spark):
    """A frame of `track_id` and `features` as the job has it once MongoDB has been read."""

    def convert(tracks: pd.DataFrame, parts: int = 1):
        rows = list(tracks[["track_id", "features"]].itertuples(index=False, name=None))
        stored = spark.createDataFrame(rows, SCHEMA).repartition(parts)
        wanted = spark.createDataFrame([(row[0],) for row in rows], "track_id string")
        return add_vector(keep_wanted(stored, wanted, 1)).cache()

    return convert


def test_planted_blobs_are_found(as_tracks):
    planted = plant(20, 22, 18)
    tracks = as_tracks(planted)
    model, clusterings, choice = train(tracks, range(2, 5), 0.5)
    assert choice.k == 3
    assert [item.k for item in clusterings] == [2, 3, 4]
    found = assign_clusters(model, tracks)
    assert list(found["track_id"]) == sorted(planted["track_id"])
    both = found.merge(planted, on="track_id")
    assert both.groupby("blob")["cluster"].nunique().tolist() == [1, 1, 1]
    assert both["cluster"].nunique() == 3
    chosen = clusterings[1]
    assert chosen.largest_share == 22 / 60
    assert chosen.silhouette > 0.9
    assert chosen.distortion < clusterings[0].distortion / 10


def test_a_clustering_with_one_huge_cluster_is_not_chosen(as_tracks):
    tracks = as_tracks(plant(45, 15))
    model, clusterings, choice = train(tracks, range(2, 3), 0.5)
    assert model is None
    assert clusterings[0].largest_share == 0.75
    assert choice.k is None
    assert "more than 50%" in choice.reason
    assert train(tracks, range(2, 3), 0.75)[2].k == 2


def test_the_order_of_the_rows_changes_nothing(as_tracks):
    planted = plant(12, 9, 14)
    tracks, shuffled = as_tracks(planted), as_tracks(planted[::-1], parts=3)
    model, *report = train(tracks, range(2, 4), 0.6)
    other, *again = train(shuffled, range(2, 4), 0.6)
    assert again == report
    pd.testing.assert_frame_equal(assign_clusters(other, shuffled), assign_clusters(model, tracks))


@pytest.mark.parametrize("tracks", [0, 1, 5])
def test_a_small_library_has_no_clusters(as_tracks, tracks):
    model, clusterings, choice = train(as_tracks(plant(5).head(tracks)), range(2, 2), 0.5)
    assert (model, clusterings, choice.k) == (None, [], None)
    assert "too small" in choice.reason


def test_tracks_that_are_all_the_same_have_no_clusters(as_tracks):
    tracks = pd.DataFrame(
        {"track_id": [f"{n:02d}" for n in range(20)], "features": [[1.0] * 3] * 20}
    )
    model, clusterings, choice = train(as_tracks(tracks), range(2, 6), 0.5)
    assert model is None
    assert {item.largest_share for item in clusterings} == {1.0}
    assert {item.silhouette for item in clusterings} == {0.0}
    assert choice.k is None


def test_without_a_model_there_are_typed_columns_and_no_rows():
    none = assign_clusters(None, None)
    assert none.dtypes.astype(str).to_dict() == {"track_id": "string", "cluster": "int32"}
    assert none.empty


@pytest.fixture
def target(tmp_path) -> Path:
    """In a folder whose name a URI would escape."""
    return tmp_path / "my models+more" / "2026-11-18.abc"


@pytest.fixture
def inputs(tmp_path) -> Path:
    """In a folder that is named like that of a backfill's run."""
    path = tmp_path / "backfill__2026-11-18T02_00_00+00_00" / "inputs.parquet"
    path.parent.mkdir()
    return path


def write_inputs(inputs: Path, tracks: pd.DataFrame) -> None:
    tracks[["track_id"]].astype("string").to_parquet(inputs, index=False)


def read_target(target: Path) -> dict[str, bytes]:
    """All but the model, whose metadata holds the time of its making."""
    return {path.name: path.read_bytes() for path in target.iterdir() if path.is_file()}


def test_the_target_appears_whole(as_tracks, target, inputs):
    planted = plant(10, 10)
    write_inputs(inputs, planted)
    tracks = as_tracks(planted)
    model, _, _ = train(tracks, range(2, 3), 0.5)
    clusters = assign_clusters(model, tracks)
    leftover = target.with_name(f"{target.name}.building")
    leftover.mkdir(parents=True)
    (leftover / "half").touch()
    write_whole(target, inputs, model, clusters, {"tracks": 20})
    assert {path.name for path in target.parent.iterdir()} == {target.name}
    assert {path.name for path in target.iterdir()} == {
        *("pipeline", "inputs.parquet", "clusters.parquet", "report.json")
    }
    assert (target / "inputs.parquet").read_bytes() == inputs.read_bytes()
    assert json.loads((target / "report.json").read_text("utf-8")) == {"tracks": 20}
    loaded = PipelineModel.load(f"file://{target / 'pipeline'}")
    pd.testing.assert_frame_equal(assign_clusters(loaded, tracks), clusters)
    pd.testing.assert_frame_equal(
        pd.read_parquet(target / "clusters.parquet"), clusters, check_dtype=False
    )


def test_a_failure_leaves_no_target(target, inputs):
    write_inputs(inputs, plant(2))
    with pytest.raises(TypeError, match="serializable"):
        write_whole(target, inputs, None, assign_clusters(None, None), {"tracks": object()})
    assert not target.exists()
    write_whole(target, inputs, None, assign_clusters(None, None), {"tracks": 2})
    assert set(read_target(target)) == {"inputs.parquet", "clusters.parquet", "report.json"}


def test_a_target_that_is_there_is_left_alone(target, inputs, capsys):
    target.mkdir(parents=True)
    train_clusters.main(["--inputs", str(inputs), "--target", str(target)])
    assert "trained already" in capsys.readouterr().out
    assert list(target.iterdir()) == []


@pytest.fixture
def fill(database, stack: Settings, monkeypatch):
    """Put tracks into MongoDB's test database, which the settings then name."""
    monkeypatch.setenv("NOCTURNE_MONGO_URI", stack.mongo_uri)
    monkeypatch.setenv("NOCTURNE_MONGO_DATABASE", database.name)
    monkeypatch.setenv("NOCTURNE_TRACKS_COLLECTION", "songs")

    def put(tracks: pd.DataFrame) -> None:
        database["songs"].drop()
        rows = tracks[["track_id", "features"]].itertuples(index=False, name=None)
        database["songs"].insert_many(
            {"_id": track_id, "features": features, "metadata": {"title": "x"}}
            for track_id, features in rows
        )

    return put


def run_over(spark, inputs: Path, target: Path) -> dict[str, object]:
    words = ["--inputs", str(inputs), "--target", str(target), "--k-max", "5"]
    return run_job(spark, parse_arguments(words))


@pytest.mark.integration
def test_the_job_trains_on_what_mongodb_has(spark, fill, inputs, target):
    """On the wanted tracks alone, and to the same bytes whatever order they come in."""
    planted = plant(12, 13, 11, 10)
    wanted = planted[planted["blob"] < 3]
    write_inputs(inputs, wanted)
    fill(planted)
    report = run_over(spark, inputs, target)
    assert report["tracks"] == 36
    assert report["chosen"]["k"] == 3
    clusters = pd.read_parquet(target / "clusters.parquet")
    assert list(clusters["track_id"]) == sorted(wanted["track_id"])
    both = clusters.merge(planted, on="track_id")
    assert both.groupby("blob")["cluster"].nunique().tolist() == [1, 1, 1]
    assert json.loads((target / "report.json").read_text("utf-8")) == report

    fill(planted[::-1])
    again = target.with_name("again")
    run_over(spark, inputs, again)
    assert read_target(again) == read_target(target)


@pytest.mark.integration
def test_a_track_that_mongodb_has_lost_stops_the_job(spark, fill, inputs, target):
    planted = plant(12, 13)
    write_inputs(inputs, planted)
    fill(planted.iloc[1:])
    with pytest.raises(NocturneError, match="24 of the 25 tracks"):
        run_over(spark, inputs, target)
    assert not target.parent.exists()
