"""The command that evaluates recommenders on a file of interactions, with what a night trains."""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nocturne.errors import Misuse
from nocturne.models.baselines import ItemKnn
from nocturne.models.evaluation import Scorer, evaluate
from nocturne.models.gates import OURS, POPULARITY
from nocturne.models.interactions import Interactions, read_interactions
from nocturne.models.splits import Split, split_by_time, split_by_user
from nocturne.models.taste import TEST, TRAIN, VALIDATION, Taste, read_taste, weigh
from nocturne.models.taste_training import fit_in_memory, train_taste
from nocturne.recommend.tastes import choose_blend, widen_factors
from nocturne.settings import Settings
from nocturne.stack.setup import set_up
from nocturne.stack.spark import is_local, run_spark, submit

Say = Callable[[str], None]
RANDOM, TEMPORAL = "random", "temporal"
NEIGHBOURS = 100
"""Of ItemKnn, a peer; it did best with this many where the others were measured."""


@dataclass
class Fitting:
    """Trains what a night trains, and item-kNN beside it; `chosen` notes the settings by split."""

    settings: Settings
    say: Say
    chosen: list[dict[str, Any]] = field(default_factory=list)

    def __call__(self, interactions: Interactions, split: Split) -> Mapping[str, Scorer]:
        self.say(f"split {len(self.chosen) + 1}: looking for the best setting of ALS")
        taste, report = self.train(interactions, split)
        factors = widen_factors(taste.judged, taste, interactions)
        self.say("choosing the blend")
        chosen, blend = choose_blend(interactions, split, factors, None)
        self.chosen.append({**asdict(chosen), "als": report["chosen"]})
        train = interactions.to_matrix(split.train)
        parts = {name: part for name, part in blend.scorers.items() if name != POPULARITY}
        return {"item_knn": ItemKnn(train, NEIGHBOURS), **parts, OURS: blend}

    def train(self, interactions: Interactions, split: Split) -> tuple[Taste, dict[str, Any]]:
        with tempfile.TemporaryDirectory() as folder:
            ratings, target = Path(folder) / "ratings.parquet", Path(folder) / "taste"
            to_ratings(interactions, split).to_parquet(ratings, index=False)
            if is_local(self.settings.spark_master):
                train_taste(ratings, target, fit_in_memory)
            else:
                arguments = {"--ratings": ratings, "--target": target}
                run_spark(submit(self.settings, "train_taste", arguments))
            return read_taste(target)


def evaluate_file(
    settings: Settings, path: Path, kind: str, seeds: int, say: Say
) -> dict[str, Any]:
    """Metrics of each model, means over the splits: `seeds` random ones, or the temporal one.

    Raises BadInput naming the line if the file cannot be meant so.
    """
    interactions = read_interactions(path)
    splits = list(make_splits(interactions, kind, seeds))
    if not is_local(settings.spark_master):
        set_up(settings, say)
    fit = Fitting(settings, say)
    models = evaluate(fit, interactions, splits)
    return {
        "file": str(path),
        "users": len(interactions.users),
        "items": len(interactions.items),
        "interactions": len(interactions.user),
        "zero_counts": interactions.zero_counts,
        "columns": interactions.columns,
        "split": f"{kind} 8:1:1",
        "seeds": len(splits),
        "chosen": fit.chosen,
        "models": models,
    }


def make_splits(interactions: Interactions, kind: str, seeds: int) -> Iterator[Split]:
    if kind == TEMPORAL:
        yield split_by_time(interactions)
    elif kind == RANDOM:
        yield from (split_by_user(interactions, seed) for seed in range(seeds))
    else:
        raise Misuse(f"There is no split {kind!r}; there are: {RANDOM}, {TEMPORAL}.")


def to_ratings(interactions: Interactions, split: Split) -> pd.DataFrame:
    """Ratings for train_taste; a count weighs as so many plays."""
    parts = np.select([split.train, split.validation], [TRAIN, VALIDATION], TEST)
    return pd.DataFrame(
        {
            "user": np.array(interactions.users, dtype=object)[interactions.user],
            "item": np.array(interactions.items, dtype=object)[interactions.item],
            "weight": weigh(interactions.weight, 0, 0, 0),
            "part": parts,
        }
    )
