"""Find the taste of listeners with MLlib's implicit-feedback ALS.

    spark-submit spark_jobs/train_taste.py --ratings RUN/ratings.parquet --target MODELS/VERSION

For ratings that one machine does not hold; for others `nocturne.models.als` finds the same in a
fraction of the time. What is read and written, and how a setting is chosen, stands in
`nocturne.models.taste_training`. If TARGET is there already, the job leaves it alone: equal inputs
have equal names.
"""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from pyspark.ml.recommendation import ALS
from pyspark.sql import DataFrame, SparkSession

from nocturne.job_exit import run_main
from nocturne.models.taste import Factors, Setting, place_factors
from nocturne.models.taste_training import ITERATIONS, SEED, find_settled, train_taste

RATINGS_PER_BLOCK = 50_000
"""One block is one task: a small one has no shuffle, two use both cores."""
MOST_BLOCKS = 10


def parse_arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ratings", type=Path, required=True, help="Parquet file of ratings")
    parser.add_argument("--target", type=Path, required=True, help="folder of the factors")
    return parser.parse_args(argv)


def fit_als(ratings: DataFrame, rows: int, setting: Setting) -> tuple[DataFrame, DataFrame]:
    """Factors of listeners and of items: `id`, `features`."""
    blocks = min(rows // RATINGS_PER_BLOCK + 1, MOST_BLOCKS)
    als = ALS(
        rank=setting.rank,
        alpha=setting.alpha,
        regParam=setting.regularisation,
        maxIter=ITERATIONS,
        implicitPrefs=True,
        numUserBlocks=blocks,
        numItemBlocks=blocks,
        seed=SEED,
        userCol="user",
        itemCol="item",
        ratingCol="weight",
        checkpointInterval=-1,
    )
    model = als.fit(ratings)
    return model.userFactors, model.itemFactors


class SparkFit:
    """Factors by MLlib; ratings reach Spark in a file, for that is faster than from a driver."""

    def __init__(self, spark: SparkSession, folder: Path) -> None:
        self.spark, self.file = spark, folder / "numbered.parquet"

    def __call__(
        self, ratings: pd.DataFrame, shape: tuple[int, int], setting: Setting
    ) -> tuple[Factors, Factors]:
        ratings.to_parquet(self.file, index=False)
        numbered = self.spark.read.parquet(f"file://{self.file.absolute()}")
        users, items = fit_als(numbered, len(ratings), setting)
        return (
            place_factors(
                ((row.id, row.features) for row in users.collect()), shape[0], setting.rank
            ),
            place_factors(
                ((row.id, row.features) for row in items.collect()), shape[1], setting.rank
            ),
        )


def main(argv: Sequence[str]) -> None:
    arguments = parse_arguments(argv)
    if settled := find_settled(arguments.ratings, arguments.target):
        print(settled)
        return
    spark = SparkSession.builder.appName("train_taste").getOrCreate()
    try:
        with tempfile.TemporaryDirectory(dir=arguments.target.parent) as folder:
            report = train_taste(arguments.ratings, arguments.target, SparkFit(spark, Path(folder)))
    finally:
        spark.stop()
    print(f"{report['ratings']} ratings: {report['chosen']}")


if __name__ == "__main__":
    run_main(main)
