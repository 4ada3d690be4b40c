"""Taste: what listeners did as weights, and the factors that are found from them.

A preference has a weight as Hu, Koren and Volinsky (2008) have it: its sign says whether the
listener wants the item, its size how sure that is.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Factors = NDArray[np.float32]

# A like says as much as three plays; two skips undo one play, one hide undoes nearly all of them.
PLAYS_OF_A_LIKE = 3
SKIP, HIDE = 0.5, 2.0
TRAIN, VALIDATION, TEST, NEGATIVE = "train", "validation", "test", "negative"
EVERY_PART = (TRAIN, VALIDATION, TEST, NEGATIVE)


@dataclass(frozen=True)
class Setting:
    """Hyper-parameters of implicit-feedback ALS: confidence is 1 + alpha · |weight|."""

    rank: int
    alpha: float
    regularisation: float


# Chosen from on the validation split. Ranks of 32 and 128 did not do better where 64 was tried,
# nor did an alpha of 10 or a regularisation below 0.1.
GRID = (
    Setting(64, 1.0, 0.1),
    Setting(64, 2.0, 0.3),
    Setting(64, 4.0, 0.5),
    Setting(64, 10.0, 1.0),
)


@dataclass(frozen=True)
class Taste:
    """What ALS found: `judged` from the training part alone, `final` from everything.

    Each is a pair of factors, (users, rank) and (items, rank), in the order of `users` and `items`,
    which are sorted. Who or what the part does not contain has zeros.
    """

    users: list[str]
    items: list[str]
    judged: tuple[Factors, Factors]
    final: tuple[Factors, Factors]


@dataclass(frozen=True)
class FactorScorer:
    """Scores as products of factors: `users` is (users, rank), `items` (items, rank)."""

    users: Factors
    items: Factors

    def score(self, users: NDArray[np.intp]) -> Factors:
        return self.users[users] @ self.items.T


def weigh(plays: Any, likes: Any, skips: Any, hides: Any) -> Any:
    """The weight of a listener's dealings with a track: logarithmic in plays, less by skips.

    Takes and gives numbers, arrays or columns.
    """
    return np.log1p(plays + PLAYS_OF_A_LIKE * likes) - SKIP * skips - HIDE * hides


def list_names(ratings: pd.DataFrame) -> tuple[list[str], list[str]]:
    """The listeners and items that ratings are about, sorted."""
    return sorted(ratings["user"].unique()), sorted(ratings["item"].unique())


def write_taste(folder: Path, ratings: Path, taste: Taste, report: dict[str, Any]) -> None:
    """`ratings` is the Parquet file that it was trained on; it is kept beside the factors."""
    (folder / "ratings.parquet").write_bytes(ratings.read_bytes())
    for name, (users, items) in {"judged": taste.judged, "final": taste.final}.items():
        np.savez(folder / f"{name}.npz", users=users, items=items)
    (folder / "report.json").write_text(json.dumps(report, indent=2), encoding="utf-8")


def read_taste(folder: Path) -> tuple[Taste, dict[str, Any]]:
    """What train_taste wrote, and its report."""
    users, items = list_names(pd.read_parquet(folder / "ratings.parquet"))
    report: dict[str, Any] = json.loads((folder / "report.json").read_text("utf-8"))
    judged, final = (read_factors(folder / f"{name}.npz") for name in ("judged", "final"))
    return Taste(users, items, judged, final), report


def read_factors(file: Path) -> tuple[Factors, Factors]:
    with np.load(file) as stored:
        return stored["users"], stored["items"]


def place_factors(found: Iterable[tuple[int, list[float]]], count: int, rank: int) -> Factors:
    """Rows of factors by number; zeros for those that were not found: (count, rank)."""
    placed = np.zeros((count, rank), np.float32)
    for number, row in found:
        placed[number] = row
    return placed
