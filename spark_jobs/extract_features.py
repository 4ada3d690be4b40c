"""Extract the features of every audio file whose content the feature store does not know yet.

    spark-submit spark_jobs/extract_features.py --catalogue RUN/catalogue.parquet \
        --audio-dir AUDIO --store STORE --report RUN/extraction.json

Files are opened by the workers under AUDIO: on a cluster it lies on a file system that all
machines share. A bad file becomes a row with rule and reason, and is not tried again unless its
content changes or its rule is a transient one. Files are analysed in rounds, and a round's rows
go to STORE when it is done: a job that is killed loses one round at most, and is simply run
again; a job that has nothing to do writes nothing but its report.
"""

import argparse
import heapq
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

import pandas as pd
from pyspark.sql import DataFrame, SparkSession

from nocturne.audio.extraction import AudioFile, find_work, write_report
from nocturne.audio.names import Analysis, feature_set, parse_sample_rate
from nocturne.audio.rules import TRANSIENT_RULES
from nocturne.audio.store import SPARK_SCHEMA, add_part
from nocturne.job_exit import run_main

HANDS_PER_CORE = 8
"""Several hands for each core, so that a core whose files decode quickly takes another."""
FILES_PER_ROUND = 500
"""Some minutes of two cores; the cores wait for each other once a round. 2 MB a Parquet file."""


def parse_arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--catalogue",
        type=Path,
        required=True,
        help="Parquet file with audio_path, audio_bytes and audio_sha256 of each track",
    )
    parser.add_argument(
        "--audio-dir", type=Path, required=True, help="folder that audio_path is relative to"
    )
    parser.add_argument("--store", type=Path, required=True, help="the feature store")
    parser.add_argument(
        "--sample-rate", type=parse_sample_rate, default=22050, help="Hz, or `native`"
    )
    parser.add_argument(
        "--excerpt-seconds", type=float, default=0, help="from the middle; 0: the whole file"
    )
    parser.add_argument(
        "--files-per-round", type=int, default=FILES_PER_ROUND, help="after which the store grows"
    )
    parser.add_argument(
        "--partitions", type=int, default=0, help="Spark partitions; 0: eight for each core"
    )
    parser.add_argument("--report", type=Path, required=True, help="JSON file of counts")
    return parser.parse_args(argv)


def deal_files(files: Sequence[AudioFile], hands: int) -> list[list[AudioFile]]:
    """Spread the files over hands of nearly equal bytes; equal input gives equal hands.

    Each file, largest first, goes to the hand with the fewest bytes (Graham 1969: at most a
    third above the best possible). Hands that would be empty are left out.
    """
    dealt: list[list[AudioFile]] = [[] for _ in range(min(hands, len(files)))]
    bytes_in_hand = [(0, hand) for hand in range(len(dealt))]
    for file in sorted(files, key=lambda file: (-file.audio_bytes, file.audio_sha256)):
        held, hand = bytes_in_hand[0]
        dealt[hand].append(file)
        heapq.heapreplace(bytes_in_hand, (held + file.audio_bytes, hand))
    return dealt


def extract_rows(
    spark: SparkSession, hands: list[list[AudioFile]], audio_dir: Path, analysis: Analysis
) -> DataFrame:
    """The feature store's rows, one for each file; each hand is a partition.

    Files that were refused in passing before, and are again, give none: the store knows that.
    """
    transient = TRANSIENT_RULES
    # Plain tuples: the workers do not know this module.
    dealt = [[tuple(file) for file in hand] for hand in hands]

    def extract_partition(frames: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        from nocturne.audio.worker import own_worker  # Spark keeps this process, and so its child

        for number in chain.from_iterable(frame["id"] for frame in frames):
            for sha256, path, _, tried_before in dealt[number]:
                record = own_worker().analyse_file(audio_dir / path, sha256, analysis)
                if not (tried_before and record.rule in transient):
                    yield pd.DataFrame([record])

    # Rows that Spark makes itself: rows of Python's would take a second process for each core.
    numbers = spark.range(0, len(hands), 1, len(hands))
    return numbers.mapInPandas(extract_partition, SPARK_SCHEMA)


def extract_new(spark: SparkSession, files: list[AudioFile], arguments: argparse.Namespace) -> None:
    """Extract the files in rounds, and add the rows of each to the store."""
    analysis = read_analysis(arguments)
    hands = arguments.partitions or HANDS_PER_CORE * spark.sparkContext.defaultParallelism
    for start in range(0, len(files), arguments.files_per_round):
        dealt = deal_files(files[start : start + arguments.files_per_round], hands)
        rows = extract_rows(spark, dealt, arguments.audio_dir.absolute(), analysis)
        add_part(arguments.store, feature_set(*analysis), rows.toArrow())


def read_analysis(arguments: argparse.Namespace) -> Analysis:
    return Analysis(arguments.sample_rate, arguments.excerpt_seconds)


def run_job(spark: SparkSession, arguments: argparse.Namespace) -> dict[str, object]:
    """Bring the store up to the catalogue, and write the report, which is returned."""
    started = time.monotonic()
    work = find_work(arguments.catalogue, arguments.store, feature_set(*read_analysis(arguments)))
    if work.pending:
        extract_new(spark, work.pending, arguments)
    return write_report(arguments.report, work, time.monotonic() - started)


def main(argv: Sequence[str]) -> None:
    arguments = parse_arguments(argv)
    spark = SparkSession.builder.appName("extract_features").getOrCreate()
    try:
        run_job(spark, arguments)
    finally:
        spark.stop()


if __name__ == "__main__":
    run_main(main)
