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
from pyspark.sql.types import ArrayType, NullType, StructField, StructType

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
    """The five columns, whichever of the two layouts the documents have; sorted, in one partition.

    Raises BadInput, naming what is there, if it is neither.
    """
    if set(COLUMNS) <= set(documents.columns):
        chosen = documents.select(*COLUMNS)
    elif are_tracks(documents):
        chosen = select_from_tracks(documents)
    else:
        found = ", ".join(documents.columns) or "no documents"
        raise BadInput(
            f"The collection has neither the columns {', '.join(COLUMNS)} nor, as tracks have,"
            f" features and metadata.audio_path, but {found}."
        )
    as_text = chosen.select(*(write_as_text(field) for field in chosen.schema))
    return as_text.repartition(1).sortWithinPartitions(*COLUMNS)


def are_tracks(documents: DataFrame) -> bool:
    fields = {field.name: field.dataType for field in documents.schema}
    metadata = fields.get("metadata")
    return (
        "features" in fields and isinstance(metadata, StructType) and "audio_path" in metadata.names
    )


def write_as_text(field: StructField) -> Column:
    """A column as CSV can hold it: lists and structures as JSON, one of nulls alone as empty."""
    column = col(field.name)
    if isinstance(field.dataType, ArrayType | StructType):
        column = to_json(column)
    elif isinstance(field.dataType, NullType):
        column = column.cast("string")
    return column.alias(field.name)


def select_from_tracks(tracks: DataFrame) -> DataFrame:
    mfccs = array(*(feature(f"mfcc.mean.{number:02d}") for number in range(1, MFCC_COUNT + 1)))
    return tracks.select(
        element_at(split(col("metadata.audio_path"), "/"), lit(-1)).alias("File_Name"),
        mfccs.alias("MFCCs"),
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
    target.parent.mkdir(parents=True, exist_ok=True)
    building = target.with_name(f"{target.name}.building")
    # RFC 4180 doubles a quote inside a quoted field; Spark would put a backslash before it.
    writer = rows.write.mode("overwrite").option("header", True).option("escape", '"')
    for side in ("Leading", "Trailing"):
        writer.option(f"ignore{side}WhiteSpace", False)
    writer.csv(f"file://{building.absolute()}")
    (part,) = building.glob("part-*.csv")
    part.replace(target)
    shutil.rmtree(building)


def run_job(spark: SparkSession, arguments: argparse.Namespace) -> None:
    """Bring the target up to the collection."""
    documents = read_collection(spark, load_settings(), arguments.database, arguments.collection)
    write_csv(select_columns(documents), arguments.target)


def main(argv: Sequence[str]) -> None:
    arguments = parse_arguments(argv)
    spark = SparkSession.builder.appName("export_catalogue").getOrCreate()
    try:
        run_job(spark, arguments)
    finally:
        spark.stop()


if __name__ == "__main__":
    run_main(main)
