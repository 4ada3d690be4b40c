"""Cluster the tracks of one version.

    spark-submit spark_jobs/train_clusters.py --inputs RUN/inputs.parquet --target MODELS/VERSION

Reads those tracks with the MongoDB connector (address, database and collection from the
settings), standardises their features, fits KMeans for a range of k and chooses one. TARGET
appears whole or not at all, with

    pipeline/         the scaler and the chosen KMeans, a Spark PipelineModel
    inputs.parquet    the tracks that it was trained on
    clusters.parquet  track_id, cluster; no rows if no k was chosen
    report.json       what every k gave, the chosen one and why

If TARGET is there already, the job leaves it alone: equal inputs have equal names.
"""

import argparse
import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pandas as pd
from pyspark.ml import PipelineModel
from pyspark.ml.clustering import KMeans, KMeansModel
from pyspark.ml.evaluation import ClusteringEvaluator
from pyspark.ml.feature import StandardScaler, StandardScalerModel
from pyspark.ml.functions import array_to_vector
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.functions import broadcast, col

from nocturne.errors import NocturneError
from nocturne.job_exit import run_main
from nocturne.models.choose_k import Choice, Clustering, choose_k, range_of_k
from nocturne.settings import Settings, load_settings

SEED = 20240229
"""Any fixed number would do; equal inputs must give equal clusters."""
ROWS_PER_PARTITION = 20_000
"""About 80 MB of features. One partition adds up in one order, so small libraries are exact."""
MOST_ITERATIONS = 50
CLUSTERS_SCHEMA = {"track_id": "string", "cluster": "int32"}


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
    return known.repartitionByRange(partitions, "track_id").sortWithinPartitions("track_id")


def add_vector(tracks: DataFrame) -> DataFrame:
    return tracks.select("track_id", array_to_vector(col("features")).alias("vector"))


def fit_scaler(tracks: DataFrame) -> StandardScalerModel:
    """Zero mean and unit variance: features in hertz would drown those in decibels."""
    scaler = StandardScaler(inputCol="vector", outputCol="features", withMean=True, withStd=True)
    return scaler.fit(tracks)


def fit_clusters(scaled: DataFrame, k: int) -> KMeansModel:
    return KMeans(k=k, seed=SEED, maxIter=MOST_ITERATIONS, predictionCol="cluster").fit(scaled)


def describe_clustering(model: KMeansModel, scaled: DataFrame) -> Clustering:
    sizes = model.summary.clusterSizes
    evaluator = ClusteringEvaluator(predictionCol="cluster")
    found = sum(size > 0 for size in sizes)
    return Clustering(
        k=model.summary.k,
        distortion=model.summary.trainingCost,
        silhouette=evaluator.evaluate(model.transform(scaled)) if found > 1 else 0.0,
        largest_share=max(sizes) / sum(sizes),
    )


def assign_clusters(model: PipelineModel | None, tracks: DataFrame) -> pd.DataFrame:
    """`track_id` and `cluster` of each track; no rows without a model."""
    if model is None:
        return pd.DataFrame(columns=list(CLUSTERS_SCHEMA)).astype(CLUSTERS_SCHEMA)
    clusters = model.transform(tracks).select("track_id", "cluster").toPandas()
    return clusters.sort_values("track_id", ignore_index=True).astype(CLUSTERS_SCHEMA)


def train(
    tracks: DataFrame, ks: range, max_cluster_share: float
) -> tuple[PipelineModel | None, list[Clustering], Choice]:
    """Fit every k, choose one; its pipeline, or None if no k will do."""
    if not ks:
        return None, [], choose_k([], max_cluster_share)
    scaler = fit_scaler(tracks)
    scaled = scaler.transform(tracks).cache()
    models = {k: fit_clusters(scaled, k) for k in ks}
    clusterings = [describe_clustering(model, scaled) for model in models.values()]
    choice = choose_k(clusterings, max_cluster_share)
    scaled.unpersist()
    if choice.k is None:
        return None, clusterings, choice
    return PipelineModel([scaler, models[choice.k]]), clusterings, choice


def write_whole(
    target: Path,
    inputs: Path,
    model: PipelineModel | None,
    clusters: pd.DataFrame,
    report: dict[str, object],
) -> None:
    building = target.with_name(f"{target.name}.building")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    if model is not None:
        model.save(spark_path(building / "pipeline"))
    shutil.copyfile(inputs, building / "inputs.parquet")
    clusters.to_parquet(building / "clusters.parquet", index=False)
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
    partitions = count // ROWS_PER_PARTITION + 1
    tracks = keep_wanted(read_tracks(spark, load_settings()), wanted, partitions)
    tracks = add_vector(tracks).cache()
    require_all(tracks, count)
    ks = range_of_k(arguments.k_min, arguments.k_max, count)
    model, clusterings, choice = train(tracks, ks, arguments.max_cluster_share)
    clusters = assign_clusters(model, tracks)
    tracks.unpersist()
    report: dict[str, object] = {
        "tracks": count,
        "chosen": asdict(choice),
        "clusterings": [asdict(item) for item in clusterings],
        "seed": SEED,
    }
    write_whole(arguments.target, arguments.inputs, model, clusters, report)
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
