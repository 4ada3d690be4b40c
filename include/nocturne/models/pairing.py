"""Two versions judged on the same held-out items of the same listeners."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from nocturne.models import metrics
from nocturne.models.evaluation import BOOTSTRAP_SEED, paired_bootstrap

K = 10


@dataclass(frozen=True)
class Judged:
    """What a version listed for a listener without what it knew: `items`, the best first; and what
    that was: `heard`, and `held_out`, by which the list is judged.
    """

    items: list[str]
    held_out: frozenset[str]
    heard: frozenset[str]


@dataclass(frozen=True)
class Paired:
    """Mean NDCG@10 over the same listeners: `ours`, and `least`, which is the champion's less what
    may be lost; `low` and `high` bound the difference (95 %, listeners resampled).
    """

    listeners: int
    ours: float
    least: float
    low: float
    high: float


def pair(
    ours: Mapping[str, Judged],
    theirs: Mapping[str, Judged],
    common: frozenset[str],
    fewest: int,
    drop: float,
) -> Paired | None:
    """Compare over the listeners of both who have a common track held out by both; None if there
    are fewer than `fewest`. `common` are the tracks of both libraries, `drop` the share of the
    champion's figure that may be lost.
    """
    found = [
        values
        for listener in sorted(ours.keys() & theirs.keys())
        if (values := compare(ours[listener], theirs[listener], common)) is not None
    ]
    if len(found) < fewest:
        return None
    own, champion = np.array(found).T
    least = champion * (1 - drop)
    low, high = paired_bootstrap(own, least, BOOTSTRAP_SEED)
    return Paired(len(found), float(own.mean()), float(least.mean()), low, high)


def compare(ours: Judged, theirs: Judged, common: frozenset[str]) -> tuple[float, float] | None:
    """NDCG@10 of both lists among the tracks that both could have listed."""
    known = ours.heard | theirs.heard
    held_out = (ours.held_out & theirs.held_out & common) - known
    if not held_out:
        return None
    listable = common - known
    return rank_held_out(ours, held_out, listable), rank_held_out(theirs, held_out, listable)


def rank_held_out(judged: Judged, held_out: frozenset[str], listable: frozenset[str]) -> float:
    listed = [item for item in judged.items if item in listable][:K]
    hits = np.zeros((1, K), dtype=bool)
    hits[0, : len(listed)] = [item in held_out for item in listed]
    return float(metrics.ndcg(hits, np.array([len(held_out)]))[0])
