"""Cluster the tracks of one version.

    spark-submit spark_jobs/train_clusters.py --inputs RUN/inputs.parquet --target MODELS/VERSION

Reads those tracks with the MongoDB connector (address, database and collection from the
settings), transforms skewed features, standardises all and keeps their principal components. On a
sample of the tracks it fits KMeans for a range of k from several seeds and chooses one; that one
is fitted on all tracks. TARGET appears whole or not at all, with

    unskew.parquet      what is done to each feature before the pipeline
    pipeline/           scaler, PCA and the chosen KMeans, a Spark PipelineModel
    inputs.parquet      the tracks that it was trained on
    clusters.parquet    track_id, cluster; no rows if no k was chosen
    projection.parquet  track_id, cluster and the first principal components of some tracks
    report.json         what every k gave, the chosen one and why, and what it gave on all tracks

The first two are missing if no k was chosen. If TARGET is there already, the job leaves it alone:
equal inputs have equal names.
"""

import argparse
import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from multiprocessing.pool import ThreadPool
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from pyspark import inheritable_thread_target
from pyspark.ml import PipelineModel
from pyspark.ml.clustering import KMeans, KMeansModel
from pyspark.ml.feature import PCA, PCAModel, StandardScaler, StandardScalerModel
from pyspark.ml.functions import array_to_vector, vector_to_array
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.functions import broadcast, col, xxhash64

from nocturne.errors import NocturneError
from nocturne.job_exit import run_main
from nocturne.models.choose_k import Admissible, choose_k, range_of_k
from nocturne.models.clustering_measures import Fit, Points, assign_points, describe_fits, rank_fit
from nocturne.models.trained_clusters import Trained, finish, share_variance, write_trained
from nocturne.models.unskew import Column, apply_unskew, fit_unskew
from nocturne.settings import Settings, load_settings

SEEDS = (20240229, 20240230, 20240231)
"""Any fixed numbers would do; equal inputs must give equal clusters."""
SWEEP_TRACKS = 20_000
"""Enough to tell ten clusters apart; the choice of k then costs the same for any library."""
MOST_COMPONENTS = 32
"""On the sample library clusters match genres better (NMI .92, not .88) than without PCA, and are
more stable (.76, not .64); on GTZAN they match as well (.35)."""
ROWS_PER_PARTITION = 20_000
"""About 80 MB of features."""
POINTS_PER_PARTITION = 250_000
"""64 MB. One partition adds up in one order, so that usual libraries are exact."""
MOST_ITERATIONS = 20


@dataclass(frozen=True)
class Reducer:
    """From `features` to `point`."""

    columns: list[Column]
    scaler: StandardScalerModel
    pca: PCAModel


@dataclass(frozen=True)
class Reduced:
    """Tracks as points of their principal components: cached in Spark and, in its order, here.

    `frame` has `track_id` and `point`; `points` is (tracks, components).
    """

    frame: DataFrame
    track_ids: list[str]
    points: Points


Trial = tuple[KMeansModel, Fit]


def parse_arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--inputs", type=Path, required=True, help="Parquet file with the track_id of each track"
    )
    parser.add_argument("--target", type=Path, required=True, help="folder of the version's model")
    parser.add_argument("--k-min", type=int, default=2, help="smallest number of clusters")
    parser.add_argument("--k-max", type=int, default=10, help="largest number of clusters")
    parser.add_argument(
        "--max-cluster-share", type=float, default=0.5, help="largest share of a cluster"
    )
    parser.add_argument(
        "--min-stability", type=float, default=0.3, help="least agreement between seeds"
    )
    return parser.parse_args(argv)


def read_tracks(spark: SparkSession, settings: Settings) -> DataFrame:
    """`_id` and `features` of every stored track."""
    reader = spark.read.format("mongodb").schema("_id string, features array<double>")
    return (
        reader.option("connection.uri", settings.mongo_uri)
        .option("database", settings.mongo_database)
        .option("collection", settings.tracks_collection)
        .load()
    )


def keep_wanted(tracks: DataFrame, wanted: DataFrame, partitions: int) -> DataFrame:
    """The tracks of `wanted`, in the order of their ids whatever order MongoDB gave them."""
    known = tracks.withColumnRenamed("_id", "track_id").join(broadcast(wanted), "track_id")
    return put_in_order(known, partitions)


def count_partitions(rows: int, rows_per_partition: int) -> int:
    return max(1, -(-rows // rows_per_partition))


def put_in_order(tracks: DataFrame, partitions: int) -> DataFrame:
    return tracks.repartitionByRange(partitions, "track_id").sortWithinPartitions("track_id")


def draw_sample(tracks: DataFrame, size: int) -> DataFrame:
    """So many tracks, the same ones whatever else the library has: the first by hash of the id."""
    drawn = tracks.orderBy(xxhash64("track_id"), "track_id").limit(size)
    return put_in_order(drawn, 1)


def collect_features(tracks: DataFrame) -> Points:
    """(tracks, features)."""
    return to_matrix(tracks.select("features").toArrow()["features"])


def to_matrix(lists: pa.ChunkedArray) -> Points:
    """Rows of lists of one length. By Arrow: as Python's own numbers they would take seconds."""
    values: Points = lists.combine_chunks().flatten().to_numpy()
    return values.reshape(len(lists), -1)


def unskew_tracks(tracks: DataFrame, columns: list[Column]) -> DataFrame:
    """The same tracks with transformed `features`."""

    def unskew_frames(frames: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for frame in frames:
            features = apply_unskew(columns, np.stack(list(frame["features"])))
            yield frame.assign(features=list(features))

    return tracks.mapInPandas(unskew_frames, "track_id string, features array<double>")


def add_vector(tracks: DataFrame) -> DataFrame:
    return tracks.select("track_id", array_to_vector(col("features")).alias("vector"))


def fit_reducer(sample: DataFrame) -> Reducer:
    """Learn what to do with skewed features, then zero mean and unit variance, for features in
    hertz would drown those in decibels, then the first principal components."""
    features = collect_features(sample)
    columns = fit_unskew(features)
    vectors = add_vector(unskew_tracks(sample, columns)).cache()
    scaler = StandardScaler(inputCol="vector", outputCol="scaled", withMean=True, withStd=True)
    scaling = scaler.fit(vectors)
    components = min(MOST_COMPONENTS, features.shape[1], len(features) - 1)
    pca = PCA(k=components, inputCol="scaled", outputCol="point")
    reducer = Reducer(columns, scaling, pca.fit(scaling.transform(vectors)))
    vectors.unpersist()
    return reducer


def reduce_tracks(tracks: DataFrame, reducer: Reducer, partitions: int) -> Reduced:
    vectors = add_vector(unskew_tracks(tracks, reducer.columns))
    frame = PipelineModel([reducer.scaler, reducer.pca]).transform(vectors)
    frame = put_in_order(frame.select("track_id", "point"), partitions).cache()
    collected = frame.select("track_id", vector_to_array(col("point")).alias("point")).toArrow()
    return Reduced(frame, collected["track_id"].to_pylist(), to_matrix(collected["point"]))


def fit_kmeans(reduced: Reduced, k: int, seed: int) -> Trial:
    """The solver `block`, which `auto` takes too, fails if there are fewer than k contents."""
    kmeans = KMeans(
        k=k, seed=seed, initMode="k-means||", maxIter=MOST_ITERATIONS,
        solver="row", featuresCol="point", predictionCol="cluster",
    )  # fmt: skip
    model = kmeans.fit(reduced.frame)
    return model, assign_points(reduced.points, np.array(model.clusterCenters()), seed)


def sweep(reduced: Reduced, ks: range) -> dict[int, list[Trial]]:
    """Every k from every seed. A fit mostly waits for Spark to plan its jobs, so two at a time."""
    session = reduced.frame.sparkSession
    fit = inheritable_thread_target(session)(lambda trial: fit_kmeans(reduced, *trial))
    with ThreadPool(2) as pool:
        trials = pool.map(fit, product(ks, SEEDS), chunksize=1)
    seeds = len(SEEDS)
    return {k: trials[place * seeds : (place + 1) * seeds] for place, k in enumerate(ks)}


def train(tracks: DataFrame, ks: range, limits: Admissible) -> tuple[Trained, PipelineModel | None]:
    """Fit every k on a sample of `track_id` and `features`, choose one, fit that on all tracks.

    The pipeline is None if no k will do.
    """
    if not ks:
        return Trained(choose_k([], limits)), None
    count = tracks.count()
    whole = count <= SWEEP_TRACKS
    sample = tracks if whole else draw_sample(tracks, SWEEP_TRACKS).cache()
    reducer = fit_reducer(sample)
    reduced = reduce_tracks(sample, reducer, 1)
    trials = sweep(reduced, ks)
    clusterings = [describe_fits(k, reduced.points, [fit for _, fit in trials[k]]) for k in ks]
    choice = choose_k(clusterings, limits)
    variance = share_variance(reducer.pca.explainedVariance.toArray())
    ids, points = reduced.track_ids, reduced.points
    swept = Trained(choice, clusterings, reducer.columns, variance, ids, points)
    if choice.k is None:
        return swept, None
    model, fit = min(trials[choice.k], key=lambda trial: rank_fit(trial[1]))
    if not whole:
        partitions = count_partitions(count, POINTS_PER_PARTITION)
        reduced = reduce_tracks(tracks, reducer, partitions)
        model, fit = fit_kmeans(reduced, choice.k, fit.seed)
    trained = finish(swept, reduced.track_ids, reduced.points, fit)
    return trained, PipelineModel([reducer.scaler, reducer.pca, model])


def write_whole(
    target: Path,
    inputs: Path,
    trained: Trained,
    pipeline: PipelineModel | None,
    report: dict[str, object],
) -> None:
    building = target.with_name(f"{target.name}.building")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    if pipeline is not None:
        pipeline.save(spark_path(building / "pipeline"))
    shutil.copyfile(inputs, building / "inputs.parquet")
    write_trained(trained, building)
    (building / "report.json").write_text(json.dumps(report, indent=2), encoding="utf-8")
    building.replace(target)


def spark_path(path: Path) -> str:
    """A local path as Spark takes it: in a proper URI it would not find a `+` or a space."""
    return f"file://{path.absolute()}"


def require_all(tracks: DataFrame, wanted: int) -> None:
    """Raise NocturneError if MongoDB has lost a track since the version was planned."""
    if (found := tracks.count()) != wanted:
        raise NocturneError(
            f"MongoDB has {found} of the {wanted} tracks that the version was planned with."
            " Clear the run from load_tracks on."
        )


def run_job(spark: SparkSession, arguments: argparse.Namespace) -> dict[str, object]:
    """Train, and write the target; returns the report."""
    wanted = spark.read.parquet(spark_path(arguments.inputs)).select("track_id")
    count = wanted.count()
    partitions = count_partitions(count, ROWS_PER_PARTITION)
    tracks = keep_wanted(read_tracks(spark, load_settings()), wanted, partitions).cache()
    require_all(tracks, count)
    ks = range_of_k(arguments.k_min, arguments.k_max, count)
    limits = Admissible(arguments.max_cluster_share, arguments.min_stability)
    trained, pipeline = train(tracks, ks, limits)
    report = {
        "tracks": count,
        "sweep_tracks": min(count, SWEEP_TRACKS),
        "seeds": list(SEEDS),
        **trained.describe(),
    }
    write_whole(arguments.target, arguments.inputs, trained, pipeline, report)
    return report


def main(argv: Sequence[str]) -> None:
    arguments = parse_arguments(argv)
    if arguments.target.exists():
        print(f"{arguments.target} is trained already")
        return
    spark = SparkSession.builder.appName("train_clusters").getOrCreate()
    try:
        report = run_job(spark, arguments)
    finally:
        spark.stop()
    print(f"{report['tracks']} tracks: {report['chosen']}")


if __name__ == "__main__":
    run_main(main)
