"""Training taste: from ratings to the factors of listeners and items, whoever fits them.

RATINGS is a Parquet file with the columns user, item, weight and part ("train", "validation",
"test", "negative"): positive weights stand once in a part, negative ones train and are never
ranked. Every setting of the grid is trained on the training part and judged by NDCG@10 on the
validation part, with full ranking; the test part plays no role. TARGET appears whole or not at all,
with

    ratings.parquet   what it was trained on
    judged.npz        factors of listeners and items from the training part, under the best setting
    final.npz         the same from all parts
    report.json       what every setting gave, and the chosen one
"""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from scipy.sparse import csr_matrix

from nocturne.models.als import fit_factors
from nocturne.models.taste import (
    EVERY_PART,
    GRID,
    NEGATIVE,
    TRAIN,
    Factors,
    Setting,
    Taste,
    list_names,
    write_taste,
)
from nocturne.models.tuning import judge_factors

SEED = 20240229
"""Any fixed number would do; equal inputs must give equal factors."""
ITERATIONS = 10

FitFactors = Callable[[pd.DataFrame, tuple[int, int], Setting], tuple[Factors, Factors]]
"""From `user` and `item` (numbers) and `weight`, and how many there are of both, to their factors:
(listeners, rank), (items, rank), zeros for those without a rating."""


@dataclass(frozen=True)
class Numbered:
    """Ratings whose listeners and items are numbered in the order of their names."""

    table: pd.DataFrame
    users: list[str]
    items: list[str]

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.users), len(self.items)


def find_settled(ratings: Path, target: Path) -> str | None:
    """Why there is nothing to train, if so."""
    if target.exists():
        return f"{target} is trained already"
    if not (pd.read_parquet(ratings, columns=["weight"])["weight"] > 0).any():
        return "Nobody has liked anything yet: there is no taste to find"
    return None


def train_taste(ratings: Path, target: Path, fit: FitFactors) -> dict[str, Any]:
    """Choose a setting, train it, write TARGET; returns the report."""
    building = target.with_name(f"{target.name}.building")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    numbered = number_ratings(pd.read_parquet(ratings))
    best, judged, tried = choose_setting(numbered, fit)
    final = find_factors(numbered, EVERY_PART, best, fit)
    report = {
        "ratings": len(numbered.table),
        "listeners": len(numbered.users),
        "items": len(numbered.items),
        "chosen": asdict(best),
        "settings": tried,
        "iterations": ITERATIONS,
        "seed": SEED,
    }
    write_taste(building, ratings, Taste(numbered.users, numbered.items, judged, final), report)
    building.replace(target)
    return report


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


def choose_setting(
    numbered: Numbered, fit: FitFactors
) -> tuple[Setting, tuple[Factors, Factors], list[dict[str, Any]]]:
    """The setting with the best NDCG@10 on the validation part, of equal ones the first."""
    tried = []
    for setting in GRID:
        factors = find_factors(numbered, (TRAIN, NEGATIVE), setting, fit)
        tried.append((judge_factors(numbered.table, *factors), setting, factors))
    _, best, factors = max(tried, key=lambda item: item[0])
    described = [{**asdict(setting), "ndcg@10": score} for score, setting, _ in tried]
    return best, factors, described


def find_factors(
    numbered: Numbered, parts: Sequence[str], setting: Setting, fit: FitFactors
) -> tuple[Factors, Factors]:
    chosen = drop_unliked(numbered.table[numbered.table["part"].isin(parts)])
    return fit(chosen[["user", "item", "weight"]], numbered.shape, setting)


def drop_unliked(ratings: pd.DataFrame) -> pd.DataFrame:
    """Without listeners who like nothing and items that nobody likes: ALS gives them no
    regularisation, and then has no solution for them where the others are few.
    """
    liked = ratings[ratings["weight"] > 0]
    of_somebody = ratings["user"].isin(liked["user"]) & ratings["item"].isin(liked["item"])
    return ratings[of_somebody]


def fit_in_memory(
    ratings: pd.DataFrame, shape: tuple[int, int], setting: Setting
) -> tuple[Factors, Factors]:
    """FitFactors without Spark."""
    places = (ratings["user"].to_numpy(), ratings["item"].to_numpy())
    weights = csr_matrix((ratings["weight"].to_numpy(float), places), shape=shape)
    return fit_factors(weights, setting, ITERATIONS, SEED)
