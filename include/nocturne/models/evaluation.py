"""Offline evaluation of recommenders: full ranking of all items, never of sampled ones.

Every report has the rows of popularity and random, which are what a model has to beat.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from nocturne.errors import NocturneError
from nocturne.models import metrics
from nocturne.models.baselines import Popularity, Random
from nocturne.models.interactions import Interactions
from nocturne.models.selection import take_largest
from nocturne.models.splits import Split

KS = (10, 20)
RESAMPLES = 2000  # the bounds of a 95 % interval then have 50 resamples outside
BOOTSTRAP_SEED = 0
MOST_CELLS = 2**23  # scores held at once: 64 MB
REFERENCE = "popularity"
ACCURACY = ("ndcg", "recall", "precision", "mrr", "map", "hit")

Indices = NDArray[np.intp]
Values = NDArray[np.float64]
Row = dict[str, Any]


class Scorer(Protocol):
    def score(self, users: Indices) -> NDArray[np.floating[Any]]:
        """(len(users), items); larger is better, -inf is never to be recommended."""


@dataclass(frozen=True, eq=False)
class Measurement:
    """What one model's lists were worth on one split.

    `users` had something held out. `by_user` has a value for each of them, `whole` one for all
    lists together; keys are like "ndcg@10".
    """

    users: Indices
    by_user: dict[str, Values]
    whole: dict[str, float]


Fit = Callable[[Interactions, Split], Mapping[str, Scorer]]
"""Trains models on the train part of a split, and tunes them on its validation part if at all."""


def evaluate(
    fit: Fit, interactions: Interactions, splits: Sequence[Split], ks: Sequence[int] = KS
) -> list[Row]:
    """A row for popularity, random and each model of `fit`: means over the splits of means over
    users on the test part; see `summarise`."""
    measured = [
        measure_scorers(
            {**fit_references(interactions, split, seed), **fit(interactions, split)},
            interactions,
            split.train,
            split.train | split.validation,
            split.test,
            ks,
        )
        for seed, split in enumerate(splits)
    ]
    return summarise(measured)


def fit_references(interactions: Interactions, split: Split, seed: int) -> dict[str, Scorer]:
    train = interactions.to_matrix(split.train)
    return {REFERENCE: Popularity(train), "random": Random(train.shape[1], seed)}


def measure_scorers(
    scorers: Mapping[str, Scorer],
    interactions: Interactions,
    train: NDArray[np.bool_],
    heard: NDArray[np.bool_],
    held_out: NDArray[np.bool_],
    ks: Sequence[int] = KS,
) -> dict[str, Measurement]:
    """What trained models are worth on the interactions of the mask `held_out`.

    Lists exclude the items of `heard`: train and validation when the test part is held out, train
    when the validation part is. Novelty and diversity know listeners from `train` alone.
    """
    seen, target = interactions.to_matrix(heard), interactions.to_matrix(held_out)
    users = np.flatnonzero(np.diff(target.indptr))
    learnt = interactions.to_matrix(train)
    return {
        name: measure_lists(rank(scorer, users, seen, max(ks)), users, target[users], learnt, ks)
        for name, scorer in scorers.items()
    }


def rank(scorer: Scorer, users: Indices, seen: csr_matrix, count: int) -> Indices:
    """The `count` best items of each user among all that `seen`, (users, items), has not: (users,
    count), the best first, of equal scores the lower index; -1 where no items are left.

    Raises NocturneError for a score that is not a number.
    """
    items = seen.shape[1]
    rows = max(MOST_CELLS // items, 1)
    top = np.full((len(users), count), -1, dtype=np.intp)
    for start in range(0, len(users), rows):
        chunk = users[start : start + rows]
        scores = np.array(scorer.score(chunk), dtype=np.float64)
        if scores.shape != (len(chunk), items) or np.isnan(scores).any():
            raise NocturneError(
                f"{type(scorer).__name__} did not give a number for each of {len(chunk)} users and"
                f" {items} items: mend its training."
            )
        scores[seen[chunk].nonzero()] = -np.inf
        for place, row in enumerate(scores, start):
            best = take_largest(row, min(count, items))
            best = best[row[best] > -np.inf]
            top[place, : len(best)] = best
    return top


def measure_lists(
    top: Indices, users: Indices, held_out: csr_matrix, train: csr_matrix, ks: Sequence[int]
) -> Measurement:
    """All metrics at each k of the lists `top`; `held_out` has a row for each list."""
    relevant = np.diff(held_out.indptr)
    hits = metrics.find_hits(top, held_out)
    information = metrics.self_information(train)
    vectors = csr_matrix(train.T)
    by_user: dict[str, Values] = {}
    whole: dict[str, float] = {}
    for k in ks:
        listings = metrics.count_listings(top[:, :k], held_out.shape[1])
        by_user |= measure_accuracy(hits[:, :k], relevant)
        by_user[f"novelty@{k}"] = metrics.novelty(top[:, :k], information)
        by_user[f"diversity@{k}"] = metrics.diversity(top[:, :k], vectors)
        whole[f"coverage@{k}"] = metrics.coverage(listings)
        whole[f"gini@{k}"] = metrics.gini(listings)
    return Measurement(users, by_user, whole)


def measure_accuracy(hits: metrics.Hits, relevant: Indices) -> dict[str, Values]:
    found = (
        metrics.ndcg(hits, relevant),
        metrics.recall(hits, relevant),
        metrics.precision(hits),
        metrics.reciprocal_rank(hits),
        metrics.average_precision(hits, relevant),
        metrics.hit_rate(hits),
    )
    k = hits.shape[1]
    return {f"{name}@{k}": values for name, values in zip(ACCURACY, found, strict=True)}


def summarise(by_split: Sequence[Mapping[str, Measurement]]) -> list[Row]:
    """A row for each model, of means over the splits, each a mean over the split's users.

    "ndcg@10" and the like are keys; "coverage", "gini", "novelty" and "diversity" stand for those
    at the first k. "ndcg@10_by_seed" lists what was averaged. "over_popularity" has each accuracy
    metric's mean difference to popularity with the bounds of its 95 % interval: a user's
    differences are averaged over the splits, and users are resampled, so that the same user seen on
    several splits does not count as several.
    """
    reference = [measured[REFERENCE] for measured in by_split]
    return [
        describe(model, [measured[model] for measured in by_split], reference)
        for model in by_split[0]
    ]


def describe(model: str, own: Sequence[Measurement], reference: Sequence[Measurement]) -> Row:
    by_split = [{name: float(values.mean()) for name, values in measurement.by_user.items()}
                | measurement.whole for measurement in own]  # fmt: skip
    first = next(iter(own[0].by_user))
    row: Row = {"model": model}
    for name in by_split[0]:
        row[shorten(name, first)] = float(np.mean([means[name] for means in by_split]))
    row[f"{first}_by_seed"] = [means[first] for means in by_split]
    if model != REFERENCE:
        row[f"over_{REFERENCE}"] = compare(own, reference)
    return row


def shorten(name: str, first: str) -> str:
    """Metrics other than accuracy go without their k, if it is that of the metric `first`."""
    metric, k = name.split("@")
    return metric if metric not in ACCURACY and first.endswith(f"@{k}") else name


def compare(own: Sequence[Measurement], reference: Sequence[Measurement]) -> Row:
    compared: Row = {}
    for name in own[0].by_user:
        if name.split("@")[0] in ACCURACY:
            a, b = average_by_user(own, name), average_by_user(reference, name)
            low, high = paired_bootstrap(a, b, BOOTSTRAP_SEED)
            compared[name] = {"difference": float((a - b).mean()), "low": low, "high": high}
    return compared


def average_by_user(measured: Sequence[Measurement], name: str) -> Values:
    """A value for each user who is judged at all: the mean over the splits that judge them."""
    users = np.concatenate([measurement.users for measurement in measured])
    values = np.concatenate([measurement.by_user[name] for measurement in measured])
    times = np.bincount(users)
    averages: Values = np.bincount(users, values)[times > 0] / times[times > 0]
    return averages


def paired_bootstrap(a: Values, b: Values, seed: int) -> tuple[float, float]:
    """The 95 % percentile interval of the mean of a - b, users resampled (Efron 1979).

    `a` and `b` are parallel, a value for each user.
    """
    differences = a - b
    users = len(differences)
    generator = np.random.default_rng(seed)
    means = np.empty(RESAMPLES)
    rows = max(MOST_CELLS // users, 1)
    for start in range(0, RESAMPLES, rows):
        chosen = generator.integers(users, size=(min(rows, RESAMPLES - start), users))
        means[start : start + rows] = differences[chosen].mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)
