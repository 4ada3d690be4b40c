"""Find the taste of listeners: implicit-feedback ALS over what they did.

    spark-submit spark_jobs/train_taste.py --ratings RUN/ratings.parquet --target MODELS/VERSION

RATINGS has the columns user, item, weight and part ("train", "validation", "test", "negative"):
positive weights stand once in a part, negative ones train and are never ranked. Every setting of
the grid is trained on the training part and judged by NDCG@10 on the validation part, with full
ranking; the test part plays no role. TARGET appears whole or not at all, with

    ratings.parquet   what it was trained on
    judged.npz        factors of listeners and items from the training part, under the best setting
    final.npz         the same from all parts
    report.json       what every setting gave, and the chosen one

If TARGET is there already, the job leaves it alone: equal inputs have equal names.
"""

import argparse
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from pyspark.ml.recommendation import ALS
from pyspark.sql import DataFrame, SparkSession

from nocturne.job_exit import run_main
from nocturne.models.taste import (
    EVERY_PART,
    GRID,
    NEGATIVE,
    TRAIN,
    Factors,
    Setting,
    Taste,
    list_names,
    place_factors,
    write_taste,
)
from nocturne.models.tuning import judge_factors

SEED = 20240229
"""Any fixed number would do; equal inputs must give equal factors."""
ITERATIONS = 10
RATINGS_PER_BLOCK = 50_000
"""One block is one task: a small one has no shuffle, two use both cores."""
MOST_BLOCKS = 10


@dataclass(frozen=True)
class Numbered:
    """Ratings whose listeners and items are numbered in the order of their names."""

    table: pd.DataFrame
    users: list[str]
    items: list[str]


def parse_arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ratings", type=Path, required=True, help="Parquet file of ratings")
    parser.add_argument("--target", type=Path, required=True, help="folder of the factors")
    return parser.parse_args(argv)


def number_ratings(ratings: pd.DataFrame) -> Numbered:
    """Numbers of listeners and items, weights in units of the mean of the training part."""
    users, items = list_names(ratings)
    learnt = ratings.loc[ratings["part"] == TRAIN, "weight"]
    table = pd.DataFrame(
        {
            "user": pd.Categorical(ratings["user"], users).codes.astype("int32"),
            "item": pd.Categorical(ratings["item"], items).codes.astype("int32"),
            "weight": (ratings["weight"] / learnt.mean()).astype("float32"),
            "part": ratings["part"],
        }
    )
    return Numbered(table.sort_values(["user", "item"], ignore_index=True), users, items)


def drop_unliked(ratings: pd.DataFrame) -> pd.DataFrame:
    """Without listeners who like nothing and items that nobody likes: ALS gives them no
    regularisation, and then has no solution for them where the others are few.
    """
    liked = ratings[ratings["weight"] > 0]
    of_somebody = ratings["user"].isin(liked["user"]) & ratings["item"].isin(liked["item"])
    return ratings[of_somebody]


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


def find_factors(
    spark: SparkSession, numbered: Numbered, folder: Path, parts: Sequence[str], setting: Setting
) -> tuple[Factors, Factors]:
    """Train on some parts; Spark reads them from a file, for that is faster than from a driver."""
    chosen = drop_unliked(numbered.table[numbered.table["part"].isin(parts)])
    file = folder / "numbered.parquet"
    chosen[["user", "item", "weight"]].to_parquet(file, index=False)
    found = fit_als(spark.read.parquet(f"file://{file.absolute()}"), len(chosen), setting)
    counts = (len(numbered.users), len(numbered.items))
    placed = [
        place_factors(((row.id, row.features) for row in frame.collect()), count, setting.rank)
        for frame, count in zip(found, counts, strict=True)
    ]
    return placed[0], placed[1]


def choose_setting(
    spark: SparkSession, numbered: Numbered, folder: Path
) -> tuple[Setting, tuple[Factors, Factors], list[dict[str, Any]]]:
    """The setting with the best NDCG@10 on the validation part, of equal ones the first."""
    tried = []
    for setting in GRID:
        factors = find_factors(spark, numbered, folder, (TRAIN, NEGATIVE), setting)
        tried.append((judge_factors(numbered.table, *factors), setting, factors))
    _, best, factors = max(tried, key=lambda item: item[0])
    described = [{**asdict(setting), "ndcg@10": score} for score, setting, _ in tried]
    return best, factors, described


def run_job(spark: SparkSession, arguments: argparse.Namespace) -> dict[str, Any]:
    """Train, and write the target; returns the report."""
    target: Path = arguments.target
    building = target.with_name(f"{target.name}.building")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    numbered = number_ratings(pd.read_parquet(arguments.ratings))
    best, judged, tried = choose_setting(spark, numbered, building)
    final = find_factors(spark, numbered, building, EVERY_PART, best)
    (building / "numbered.parquet").unlink()
    report = {
        "ratings": len(numbered.table),
        "listeners": len(numbered.users),
        "items": len(numbered.items),
        "chosen": asdict(best),
        "settings": tried,
        "iterations": ITERATIONS,
        "seed": SEED,
    }
    taste = Taste(numbered.users, numbered.items, judged, final)
    write_taste(building, arguments.ratings, taste, report)
    building.replace(target)
    return report


def main(argv: Sequence[str]) -> None:
    arguments = parse_arguments(argv)
    if arguments.target.exists():
        print(f"{arguments.target} is trained already")
        return
    if not (pd.read_parquet(arguments.ratings, columns=["weight"])["weight"] > 0).any():
        print("Nobody has liked anything yet: there is no taste to find")
        return
    spark = SparkSession.builder.appName("train_taste").getOrCreate()
    try:
        report = run_job(spark, arguments)
    finally:
        spark.stop()
    print(f"{report['ratings']} ratings: {report['chosen']}")


if __name__ == "__main__":
    run_main(main)
