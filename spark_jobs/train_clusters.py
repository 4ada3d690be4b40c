"""Cluster the tracks of one version.

    spark-submit spark_jobs/train_clusters.py --inputs RUN/inputs.parquet --target MODELS/VERSION

Reads those tracks with the MongoDB connector (address, database and collection from the
settings), transforms skewed features, standardises all and keeps their principal components. A
sample of the tracks, in the driver's memory, says which number of clusters is best; MLlib's KMeans
fits that many on all tracks, from the sample's centres. TARGET appears whole or not at all, with

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
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pyspark import SparkContext
from pyspark.ml import PipelineModel, Transformer
from pyspark.ml.clustering import KMeansModel
from pyspark.ml.common import _py2java
from pyspark.ml.feature import PCAModel, StandardScalerModel
from pyspark.ml.functions import array_to_vector, vector_to_array
from pyspark.ml.linalg import DenseMatrix, Vectors
from pyspark.mllib.clustering import KMeans as MLlibKMeans
from pyspark.mllib.clustering import KMeansModel as MLlibModel
from pyspark.mllib.common import _py2java as mllib_py2java
from pyspark.mllib.linalg import Vectors as MLlibVectors
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.functions import broadcast, col, xxhash64

from nocturne.errors import BadInput, NocturneError
from nocturne.job_exit import run_main
from nocturne.models.choose_k import Admissible, choose_k, range_of_k
from nocturne.models.clustering_measures import Fit, Points, assign_points, describe_fits, rank_fit
from nocturne.models.reduction import Reduction, fit_reduction
from nocturne.models.sweep import MOST_ITERATIONS, SEEDS, sweep_ks
from nocturne.models.trained_clusters import Trained, finish, write_trained
from nocturne.models.unskew import Column, apply_unskew
from nocturne.settings import Settings, load_settings
from nocturne.store.tracks import describe_changed

SWEEP_TRACKS = 20_000
"""Enough to tell ten clusters apart; the choice of k then costs the same for any library."""
ROWS_PER_PARTITION = 20_000
"""About 80 MB of features."""
POINTS_PER_PARTITION = 250_000
"""64 MB. One partition adds up in one order, so that usual libraries are exact."""


@dataclass(frozen=True)
class Reduced:
    """Tracks as points of their principal components: cached in Spark and, in its order, here.

    `frame` has `track_id` and `point`, which `stages` make of `vector`; `points` has the same rows.
    """

    frame: DataFrame
    stages: list[Transformer]
    track_ids: list[str]
    points: Points


def parse_arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=Path, required=True, help="Parquet file of the tracks")
    parser.add_argument("--target", type=Path, required=True, help="folder of the version's model")
    parser.add_argument("--k-min", type=int, default=2, help="smallest number of clusters")
    parser.add_argument("--k-max", type=int, default=10, help="largest number of clusters")
    parser.add_argument("--max-cluster-share", type=float, default=0.5, help="largest allowed")
    parser.add_argument("--min-stability", type=float, default=0.3, help="least of the seeds")
    return parser.parse_args(argv)


def read_tracks(spark: SparkSession, settings: Settings) -> DataFrame:
    """`_id`, `features` and `content_sha256` of every stored track."""
    schema = "_id string, features array<double>, content_sha256 string"
    reader = spark.read.format("mongodb").schema(schema)
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


def list_stages(context: SparkContext, reduction: Reduction) -> list[Transformer]:
    """`vector` to `point`, as models of MLlib, which would learn them from all tracks only."""
    deviation, mean = Vectors.dense(reduction.deviation), Vectors.dense(reduction.mean)
    scaler = StandardScalerModel(
        make_model(context, "feature.StandardScalerModel", deviation, mean)
    )
    scaler._set(inputCol="vector", outputCol="scaled", withMean=True, withStd=True)
    features, count = reduction.components.shape
    matrix = DenseMatrix(features, count, reduction.components.ravel(order="F"))
    shares = Vectors.dense(reduction.explained_variance)
    pca = PCAModel(make_model(context, "feature.PCAModel", matrix, shares))
    pca._set(k=count, inputCol="scaled", outputCol="point")
    return [scaler, pca]


def make_model(context: SparkContext, name: str, *learned: object) -> Any:
    """The JVM's model in org.apache.spark.ml; equal ones have equal ids."""
    java_class = reduce(getattr, name.split("."), context._jvm.org.apache.spark.ml)  # type: ignore[union-attr]
    return java_class(name.rpartition(".")[2], *(_py2java(context, value) for value in learned))


def reduce_tracks(tracks: DataFrame, reduction: Reduction, partitions: int) -> Reduced:
    vectors = add_vector(unskew_tracks(tracks, reduction.columns))
    stages = list_stages(tracks.sparkSession.sparkContext, reduction)
    frame = PipelineModel(stages).transform(vectors)
    frame = put_in_order(frame.select("track_id", "point"), partitions).cache()
    collected = frame.select("track_id", vector_to_array(col("point")).alias("point")).toArrow()
    ids = collected["track_id"].to_pylist()
    return Reduced(frame, stages, ids, to_matrix(collected["point"]))


def fit_kmeans(reduced: Reduced, start: Fit) -> tuple[KMeansModel, Fit]:
    """MLlib's KMeans on all points, from the centres of `start`.

    That of pyspark.ml cannot start from given centres, that of pyspark.mllib is no stage of a
    pipeline: in the JVM the one is made of the other.
    """
    context = reduced.frame.sparkSession.sparkContext
    kmeans = MLlibKMeans.train(
        reduced.frame.select("point").rdd.map(lambda row: row.point.toArray()),
        len(start.centres), MOST_ITERATIONS, initialModel=MLlibModel(list(start.centres)),
    )  # fmt: skip
    centres = np.array(kmeans.centers)
    vectors = mllib_py2java(context, [MLlibVectors.dense(centre) for centre in centres])
    fitted = context._jvm.org.apache.spark.mllib.clustering.KMeansModel(vectors)  # type: ignore[union-attr]
    model = KMeansModel(make_model(context, "clustering.KMeansModel", fitted))
    model._set(k=len(start.centres), featuresCol="point", predictionCol="cluster")
    return model, assign_points(reduced.points, centres, start.seed)


def train(
    tracks: DataFrame, count: int, ks: range, limits: Admissible
) -> tuple[Trained, PipelineModel | None]:
    """Try every k on a sample of `count` tracks (`track_id`, `features`), choose one, fit that on
    all of them.

    The pipeline is None if no k will do.
    """
    if not ks:
        return Trained(choose_k([], limits)), None
    whole = count <= SWEEP_TRACKS
    sample = tracks if whole else draw_sample(tracks, SWEEP_TRACKS).cache()
    reduction = fit_reduction(collect_features(sample))
    reduced = reduce_tracks(sample, reduction, 1)
    fits = sweep_ks(reduced.points, ks)
    clusterings = [describe_fits(k, reduced.points, fits[k]) for k in ks]
    choice = choose_k(clusterings, limits)
    swept = Trained(
        choice, clusterings, reduction.columns, reduction.explained_variance, reduced.track_ids,
        reduced.points,
    )  # fmt: skip
    if choice.k is None:
        return swept, None
    if not whole:
        partitions = count_partitions(count, POINTS_PER_PARTITION)
        reduced = reduce_tracks(tracks, reduction, partitions)
    model, fit = fit_kmeans(reduced, min(fits[choice.k], key=rank_fit))
    trained = finish(swept, reduced.track_ids, reduced.points, fit)
    return trained, PipelineModel([*reduced.stages, model])


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


def require_planned(tracks: DataFrame, wanted: int, version: str) -> None:
    """Raise NocturneError if MongoDB has lost a planned track, BadInput if one has changed."""
    if (found := tracks.count()) != wanted:
        raise NocturneError(
            f"MongoDB has {found} of the {wanted} tracks that the version was planned with."
            " Clear the run from load_tracks on."
        )
    changed = tracks.filter(col("planned_sha256") != col("content_sha256")).select("track_id")
    if names := changed.toArrow()["track_id"].to_pylist():
        raise BadInput(describe_changed(version, names))


def run_job(spark: SparkSession, arguments: argparse.Namespace) -> dict[str, object]:
    """Train, and write the target; returns the report."""
    planned = spark.read.schema("track_id string, content_sha256 string")
    wanted = planned.parquet(spark_path(arguments.inputs)).toDF("track_id", "planned_sha256")
    count = pq.read_metadata(arguments.inputs).num_rows
    partitions = count_partitions(count, ROWS_PER_PARTITION)
    tracks = keep_wanted(read_tracks(spark, load_settings()), wanted, partitions).cache()
    require_planned(tracks, count, arguments.target.parent.name)
    ks = range_of_k(arguments.k_min, arguments.k_max, count)
    limits = Admissible(arguments.max_cluster_share, arguments.min_stability)
    trained, pipeline = train(tracks, count, ks, limits)
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
