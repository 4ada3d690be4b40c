"""Export the audio features of a collection as one CSV file with a header.

    spark-submit spark_jobs/export_catalogue.py --database MYDB --collection MTDATA \
        --target EXPORTS/output.csv

The columns are File_Name, MFCCs, Spectral_Centroid, Zero_Crossing_Rate and genre_id. They are
taken from documents that have them under these names, or else from those of `tracks`: MFCCs is
then the JSON list of the 20 means, and the other two are means in hertz and in crossings per
sample.
"""

import argparse
import shutil
from collections.abc import Sequence
from pathlib import Path

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql.functions import array, col, element_at, lit, split, to_json
from pyspark.sql.types import ArrayType, StructType

from nocturne.audio.names import FEATURE_NAMES
from nocturne.catalogue.export import COLUMNS
from nocturne.errors import BadInput
from nocturne.job_exit import run_main
from nocturne.settings import Settings, load_settings

MFCC_COUNT = 20


def parse_arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--database", required=True, help="database to read")
    parser.add_argument("--collection", required=True, help="collection to read")
    parser.add_argument("--target", type=Path, required=True, help="CSV file to write")
    return parser.parse_args(argv)


def feature(name: str) -> Column:
    return element_at(col("features"), FEATURE_NAMES.index(name) + 1)


def select_columns(documents: DataFrame) -> DataFrame:
    """The five columns, whichever of the two layouts the documents have; sorted by file name.

    Raises BadInput, naming what is there, if it is neither.
    """
    if set(COLUMNS) <= set(documents.columns):
        chosen = documents.select(*(as_text(documents, name) for name in COLUMNS))
    elif {"features", "metadata"} <= set(documents.columns):
        chosen = select_from_tracks(documents)
    else:
        raise BadInput(
            f"The collection has neither the columns {', '.join(COLUMNS)} nor the layout of"
            f" tracks, but {', '.join(documents.columns) or 'no documents'}."
        )
    return chosen.orderBy("File_Name")


def as_text(documents: DataFrame, name: str) -> Column:
    """A column as CSV can hold it: lists and structures become JSON."""
    nested = isinstance(documents.schema[name].dataType, ArrayType | StructType)
    return (to_json(col(name)) if nested else col(name)).alias(name)


def select_from_tracks(tracks: DataFrame) -> DataFrame:
    mfccs = array(*(feature(f"mfcc.mean.{number:02d}") for number in range(1, MFCC_COUNT + 1)))
    return tracks.select(
        element_at(split(col("metadata.audio_path"), "/"), lit(-1)).alias("File_Name"),
        to_json(mfccs).alias("MFCCs"),
        feature("spectral_centroid.mean.01").alias("Spectral_Centroid"),
        feature("zcr.mean.01").alias("Zero_Crossing_Rate"),
        col("metadata.genre_id").alias("genre_id"),
    )


def read_collection(
    spark: SparkSession, settings: Settings, database: str, collection: str
) -> DataFrame:
    """The documents, with the schema that the connector finds by sampling them."""
    return (
        spark.read.format("mongodb")
        .option("connection.uri", settings.mongo_uri)
        .option("database", database)
        .option("collection", collection)
        .load()
    )


def write_csv(rows: DataFrame, target: Path) -> None:
    """One file with a header, whole or not at all."""
    building = target.with_name(f"{target.name}.building")
    writer = rows.coalesce(1).write.mode("overwrite")
    # RFC 4180 doubles a quote inside a quoted field; Spark would put a backslash before it.
    writer.option("header", True).option("escape", '"').csv(building.as_uri())
    (part,) = building.glob("part-*.csv")
    part.replace(target)
    shutil.rmtree(building)


def main(argv: Sequence[str]) -> None:
    arguments = parse_arguments(argv)
    arguments.target.parent.mkdir(parents=True, exist_ok=True)
    spark = SparkSession.builder.appName("export_catalogue").getOrCreate()
    documents = read_collection(spark, load_settings(), arguments.database, arguments.collection)
    write_csv(select_columns(documents), arguments.target)
    spark.stop()


if __name__ == "__main__":
    run_main(main)
