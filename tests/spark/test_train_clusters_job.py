import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyspark.ml import PipelineModel
from pyspark.ml.clustering import KMeans
from pyspark.ml.evaluation import ClusteringEvaluator
from pyspark.ml.feature import PCA, StandardScaler
from pyspark.ml.functions import vector_to_array
from pyspark.mllib.clustering import KMeansModel as MLlibModel
from sklearn.metrics import adjusted_rand_score

from nocturne.errors import BadInput, NocturneError
from nocturne.models.choose_k import Admissible, choose_k
from nocturne.models.clustering_measures import assign_points, describe_fit, describe_fits, rank_fit
from nocturne.models.projection import tabulate_clusters
from nocturne.models.reduction import fit_reduction
from nocturne.models.sweep import fit_seed, sweep_ks
from nocturne.models.trained_clusters import Trained
from nocturne.models.unskew import read_unskew
from nocturne.settings import Settings
from spark_jobs import train_clusters
from spark_jobs.train_clusters import (
    add_vector,
    draw_sample,
    keep_wanted,
    parse_arguments,
    run_job,
    unskew_tracks,
    write_whole,
)

pytestmark = pytest.mark.spark

SCHEMA = "_id string, features array<double>"
DIMENSIONS = 6
HALF = Admissible(max_cluster_share=0.5, min_stability=0.0)


def plant_skewed() -> pd.DataFrame:
    """`track_id`, `features` and `blob`: three groups in lognormal features of log-sigma 3."""
    random = np.random.default_rng(11)
    blobs = np.repeat(np.arange(3), (90, 110, 100))
    logarithms = random.normal(0, 2, (3, 8))[blobs] + random.normal(0, 1, (len(blobs), 8))
    return pd.DataFrame(
        {
            "track_id": [f"{number:03d}" for number in range(len(blobs))],
            "features": np.exp(3 * logarithms).tolist(),
            "blob": blobs,
        }
    )


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
        return keep_wanted(stored, wanted, 1).cache()

    return convert


def train(tracks, ks: range, limits: Admissible):
    return train_clusters.train(tracks, tracks.count(), ks, limits)


def list_clusters(trained: Trained) -> pd.DataFrame:
    return tabulate_clusters(trained.track_ids, trained.labels)


def test_planted_blobs_are_found(as_tracks):
    planted = plant(20, 22, 18)
    trained, _ = train(as_tracks(planted), range(2, 5), HALF)
    assert trained.choice.k == 3
    assert [item.k for item in trained.clusterings] == [2, 3, 4]
    found = list_clusters(trained)
    assert list(found["track_id"]) == sorted(planted["track_id"])
    both = found.merge(planted, on="track_id")
    assert both.groupby("blob")["cluster"].nunique().tolist() == [1, 1, 1]
    assert both["cluster"].nunique() == 3
    chosen = trained.clusterings[1]
    assert chosen == trained.final
    assert chosen.largest_share == 22 / 60
    assert chosen.silhouette > 0.9
    assert chosen.stability == 1.0
    assert chosen.distortion < trained.clusterings[0].distortion / 10
    assert sum(trained.explained_variance) == pytest.approx(1)


def reduce(tracks) -> train_clusters.Reduced:
    reduction = fit_reduction(train_clusters.collect_features(tracks))
    return train_clusters.reduce_tracks(tracks, reduction, 1)


def test_the_figures_of_a_k_are_those_that_spark_gives(as_tracks):
    """ClusteringEvaluator's silhouette and the cost of MLlib's own model."""
    reduced = reduce(as_tracks(plant(20, 22, 18, 9)))
    model, fit = train_clusters.fit_kmeans(reduced, fit_seed(reduced.points, 3, 5))
    given = describe_fit(3, reduced.points, fit, 1.0)
    found = model.transform(reduced.frame)
    assert found.count() == len(fit.labels)
    evaluator = ClusteringEvaluator(featuresCol="point", predictionCol="cluster")
    assert given.silhouette == pytest.approx(evaluator.evaluate(found), rel=1e-9)
    rows = reduced.frame.rdd.map(lambda row: row.point.toArray())
    cost = MLlibModel(list(fit.centres)).computeCost(rows)
    assert given.distortion == pytest.approx(cost, rel=1e-6)
    assert given.largest_share == found.groupBy("cluster").count().toPandas()["count"].max() / 69
    labels = [row["cluster"] for row in found.collect()]
    assert fit.labels.tolist() == labels


def test_the_points_are_those_that_spark_finds(as_tracks):
    """Of StandardScaler and PCA; a component may point the other way."""
    tracks = as_tracks(plant_skewed())
    reduced = reduce(tracks)
    vectors = add_vector(unskew_tracks(tracks, fit_reduction(
        train_clusters.collect_features(tracks)).columns))  # fmt: skip
    scaler = StandardScaler(inputCol="vector", outputCol="scaled", withMean=True, withStd=True)
    scaled = scaler.fit(vectors).transform(vectors)
    pca = PCA(k=8, inputCol="scaled", outputCol="point").fit(scaled)
    rows = pca.transform(scaled).select(vector_to_array("point").alias("point")).collect()
    theirs = np.array([row["point"] for row in rows])
    signs = np.sign((theirs * reduced.points).sum(axis=0))
    np.testing.assert_allclose(reduced.points, theirs * signs, atol=1e-8)


def fit_by_mllib(reduced: train_clusters.Reduced, k: int, seed: int):
    """k-means|| and all, as MLlib alone would choose and publish."""
    kmeans = KMeans(k=k, seed=seed, solver="row", featuresCol="point", predictionCol="cluster")
    model = kmeans.fit(reduced.frame)
    return assign_points(reduced.points, np.array(model.clusterCenters()), seed)


@pytest.mark.parametrize(
    "features", ["sample_features", pytest.param("real_features", marks=pytest.mark.real_data)]
)
def test_mllib_alone_would_choose_the_same_k_and_nearly_the_same_clusters(
    as_tracks, features, request
):
    """The sweep on the driver against 3 seeds of MLlib's own for each k, 10 for the chosen one."""
    rows = request.getfixturevalue(features)
    ids = [f"{number:04}" for number in range(len(rows))]
    tracks = as_tracks(pd.DataFrame({"track_id": ids, "features": rows.tolist()}))
    limits = Admissible(max_cluster_share=0.5, min_stability=0.3)
    trained, _ = train(tracks, range(2, 11), limits)
    reduced = reduce(tracks)
    swept = {k: [fit_by_mllib(reduced, k, seed) for seed in range(3)] for k in range(2, 11)}
    clusterings = [describe_fits(k, reduced.points, fits) for k, fits in swept.items()]
    chosen = choose_k(clusterings, limits)
    assert trained.choice.k == chosen.k
    tightest = min((fit_by_mllib(reduced, chosen.k, seed) for seed in range(10)), key=rank_fit)
    assert adjusted_rand_score(tightest.labels, trained.labels) >= 0.98


@pytest.fixture(scope="session")
def real_features(real_data) -> np.ndarray:
    """librosa's features of 910 real clips."""
    table = pd.read_csv(real_data / "genre_features/gtzan_features_30_sec.csv")
    return table.select_dtypes("number").to_numpy(float)


def test_raw_scaled_skewed_tracks_are_refused_and_transformed_ones_clustered(as_tracks):
    """What DESIGN.md warns of: a silhouette above .9 with 99 % of the tracks in one cluster."""
    skewed = plant_skewed()
    scaler = StandardScaler(inputCol="vector", outputCol="point", withMean=True, withStd=True)
    tracks = as_tracks(skewed)
    vectors = add_vector(tracks)
    frame = scaler.fit(vectors).transform(vectors)
    points = np.array([row["point"].toArray() for row in frame.collect()])
    refused = [describe_fits(2, points, sweep_ks(points, range(2, 3))[2])]
    assert refused[0].silhouette > 0.9
    assert refused[0].largest_share > 0.98
    assert choose_k(refused, HALF).k is None

    trained, _ = train(tracks, range(2, 5), HALF)
    assert trained.choice.k == 3
    both = list_clusters(trained).merge(skewed, on="track_id")
    assert adjusted_rand_score(both["blob"], both["cluster"]) > 0.9


def test_a_clustering_with_one_huge_cluster_is_not_chosen(as_tracks):
    tracks = as_tracks(plant(45, 15))
    trained, pipeline = train(tracks, range(2, 3), HALF)
    assert (pipeline, trained.final, trained.labels) == (None, None, None)
    assert trained.clusterings[0].largest_share == 0.75
    assert trained.choice.k is None
    assert "more than 50%" in trained.choice.reason
    assert choose_k(trained.clusterings, Admissible(0.75, 0.0)).k == 2


def test_the_order_of_the_rows_changes_nothing(as_tracks):
    planted = plant(12, 9, 14)
    trained, _ = train(as_tracks(planted), range(3, 4), HALF)
    again, _ = train(as_tracks(planted[::-1], parts=3), range(3, 4), HALF)
    assert again.describe() == trained.describe()
    assert again.columns == trained.columns
    assert again.points.tobytes() == trained.points.tobytes()
    pd.testing.assert_frame_equal(list_clusters(again), list_clusters(trained))


def test_a_large_library_is_swept_on_a_sample_and_clustered_whole(as_tracks, monkeypatch):
    monkeypatch.setattr(train_clusters, "SWEEP_TRACKS", 40)
    monkeypatch.setattr(train_clusters, "POINTS_PER_PARTITION", 30)
    planted = plant(40, 30, 30)
    trained, _ = train(as_tracks(planted), range(3, 4), HALF)
    both = list_clusters(trained).merge(planted, on="track_id")
    assert len(both) == 100
    assert adjusted_rand_score(both["blob"], both["cluster"]) == 1.0
    assert trained.final.largest_share == 0.4
    swept = trained.clusterings[0]
    assert trained.final.stability == swept.stability
    assert trained.final.distortion > 1.5 * swept.distortion
    again, _ = train(as_tracks(planted[::-1], parts=3), range(3, 4), HALF)
    assert again.clusterings == trained.clusterings


def test_the_sample_of_a_library_hardly_changes_when_it_grows(as_tracks):
    planted = plant(60).sort_values("track_id")
    few, all_ = (
        {row["track_id"] for row in draw_sample(as_tracks(tracks), 20).collect()}
        for tracks in (planted[:-2], planted)
    )
    assert len(few) == len(all_) == 20
    assert len(few & all_) >= 18


@pytest.mark.parametrize("tracks", [0, 1, 5])
def test_a_small_library_has_no_clusters(as_tracks, tracks):
    trained, pipeline = train(as_tracks(plant(5).head(tracks)), range(2, 2), HALF)
    assert (pipeline, trained.clusterings, trained.choice.k) == (None, [], None)
    assert "too small" in trained.choice.reason


def test_tracks_that_are_all_the_same_have_no_clusters(as_tracks):
    tracks = pd.DataFrame(
        {"track_id": [f"{n:02d}" for n in range(20)], "features": [[1.0] * 3] * 20}
    )
    trained, pipeline = train(as_tracks(tracks), range(2, 4), HALF)
    assert pipeline is None
    assert {item.largest_share for item in trained.clusterings} == {1.0}
    assert {item.silhouette for item in trained.clusterings} == {0.0}
    assert trained.explained_variance == [0.0] * 3
    assert trained.choice.k is None


def test_fewer_contents_than_clusters_do_not_stop_the_job(as_tracks):
    """MLlib's `block` solver fails on them."""
    planted = plant(1, 1, 1)
    planted = pd.concat([planted.assign(track_id=planted["track_id"] + copy) for copy in "abcd"])
    trained, _ = train(as_tracks(planted), range(5, 6), HALF)
    assert len(set(trained.labels)) == 3
    assert trained.final.largest_share == 1 / 3
    assert trained.final.distortion == pytest.approx(0, abs=1e-9)


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
    trained, pipeline = train(tracks, range(2, 3), HALF)
    leftover = target.with_name(f"{target.name}.building")
    leftover.mkdir(parents=True)
    (leftover / "half").touch()
    write_whole(target, inputs, trained, pipeline, {"tracks": 20})
    assert {path.name for path in target.parent.iterdir()} == {target.name}
    assert {path.name for path in target.iterdir()} == {
        *("unskew.parquet", "pipeline", "inputs.parquet"),
        *("clusters.parquet", "projection.parquet", "report.json"),
    }
    assert (target / "inputs.parquet").read_bytes() == inputs.read_bytes()
    assert json.loads((target / "report.json").read_text("utf-8")) == {"tracks": 20}
    clusters = pd.read_parquet(target / "clusters.parquet")
    pd.testing.assert_frame_equal(clusters, list_clusters(trained), check_dtype=False)
    projection = pd.read_parquet(target / "projection.parquet")
    assert projection[["track_id", "cluster"]].to_numpy().tolist() == clusters.to_numpy().tolist()


def test_a_stored_model_assigns_tracks_as_it_did_in_training(as_tracks, target, inputs):
    planted = plant_skewed()
    write_inputs(inputs, planted)
    tracks = as_tracks(planted)
    trained, pipeline = train(tracks, range(3, 4), HALF)
    write_whole(target, inputs, trained, pipeline, {})
    loaded = PipelineModel.load(f"file://{target / 'pipeline'}")
    columns = read_unskew(target / "unskew.parquet")
    assert columns == trained.columns
    assigned = loaded.transform(add_vector(unskew_tracks(tracks, columns)))
    assigned = assigned.select("track_id", "cluster").toPandas()
    pd.testing.assert_frame_equal(assigned, list_clusters(trained), check_dtype=False)


def test_a_failure_leaves_no_target(target, inputs):
    write_inputs(inputs, plant(2))
    none = Trained(choose_k([], HALF))
    with pytest.raises(TypeError, match="serializable"):
        write_whole(target, inputs, none, None, {"tracks": object()})
    assert not target.exists()
    write_whole(target, inputs, none, None, {"tracks": 2})
    assert set(read_target(target)) == {
        *("inputs.parquet", "clusters.parquet", "projection.parquet", "report.json")
    }


def test_a_target_that_is_there_is_left_alone(target, inputs, capsys):
    target.mkdir(parents=True)
    train_clusters.main(["--inputs", str(inputs), "--target", str(target)])
    assert "trained already" in capsys.readouterr().out
    assert list(target.iterdir()) == []


@pytest.fixture
def fill(database, servers: Settings, monkeypatch):
    """Put tracks into MongoDB's test database, which the settings then name."""
    monkeypatch.setenv("NOCTURNE_MONGO_URI", servers.mongo_uri)
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


@pytest.mark.integration
def test_a_track_that_a_later_night_replaced_stops_the_job(spark, fill, database, inputs, target):
    """The inputs hold the content that the version is named by."""
    planted = plant(12, 13).assign(content_sha256="as planned")
    named = planted[["track_id", "content_sha256"]].astype("string")
    named.to_parquet(inputs, index=False)
    fill(planted)
    database["songs"].update_many({}, {"$set": {"content_sha256": "as planned"}})
    changed = str(planted["track_id"].iloc[3])
    database["songs"].update_one({"_id": changed}, {"$set": {"content_sha256": "another"}})
    words = f"1 tracks have been replaced .*: {changed}.*plan_candidate"
    with pytest.raises(BadInput, match=words):
        run_over(spark, inputs, target)
    assert not target.parent.exists()
