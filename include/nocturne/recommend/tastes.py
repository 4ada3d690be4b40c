"""Scorers for listeners, made of what train_taste found and of how tracks sound."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nocturne.models.baselines import Ease, Popularity
from nocturne.models.evaluation import Scorer, fit_references, measure_scorers, summarise
from nocturne.models.gates import OURS
from nocturne.models.interactions import Interactions
from nocturne.models.splits import Split
from nocturne.models.taste import Factors, FactorScorer, Taste
from nocturne.recommend.blend import (
    CONTENT,
    ITEMS,
    MOST_JUDGED,
    POPULARITY,
    TASTE,
    Blend,
    Shares,
    choose_shares,
    judge_by_validation,
    thin,
)
from nocturne.recommend.dealings import find_places
from nocturne.recommend.scorers import (
    ContentScorer,
    FilledScorer,
    Vectors,
    average_tracks,
    find_relatives,
)

# EASE's regularisation, chosen on the validation part.
REGULARISATIONS = (50.0, 200.0)
# With fewer liked tracks a listener is new: sound says more than what others did.
TRACKS_OF_A_TASTE = 3
NEWCOMER_SHARES: Shares = {CONTENT: 0.9, POPULARITY: 0.1}
Ranking = dict[str, Any]


@dataclass(frozen=True)
class Chosen:
    """What the validation part decided."""

    shares: Shares
    regularisation: float


def make_scorers(
    train: Interactions,
    mask: NDArray[np.bool_],
    factors: tuple[Factors, Factors],
    vectors: Vectors | None,
    items: Ease,
) -> dict[str, Scorer]:
    """The parts of a blend, from the chosen interactions, which `items` was fitted to.

    `factors` are (users, rank) and (items, rank); without `vectors` (items, dims) there is no
    scorer by content, and items that nobody has stay at the bottom.
    """
    heard = train.to_matrix(mask)
    if vectors is None:
        return {TASTE: FactorScorer(*factors), ITEMS: items, POPULARITY: Popularity(heard)}
    relatives = find_relatives(vectors, np.asarray(heard.sum(axis=0)).ravel() > 0)
    profiles = average_tracks(train.to_matrix(mask, weighted=True), vectors)
    listeners, tracks = factors
    return {
        TASTE: FactorScorer(listeners, tracks if relatives is None else relatives.T @ tracks),
        ITEMS: items if relatives is None else FilledScorer(items, relatives),
        CONTENT: ContentScorer(profiles, vectors),
        POPULARITY: Popularity(heard),
    }


def blend_scorers(
    scorers: Mapping[str, Scorer], train: Interactions, mask: NDArray[np.bool_], shares: Shares
) -> Blend:
    """The blend, with newcomers' own shares where tracks can be compared by sound."""
    if CONTENT not in scorers:
        return Blend(scorers, shares)
    liked = np.bincount(train.user[mask], minlength=len(train.users))
    return Blend(scorers, shares, liked < TRACKS_OF_A_TASTE, NEWCOMER_SHARES)


def choose_blend(
    interactions: Interactions, split: Split, factors: tuple[Factors, Factors],
    vectors: Vectors | None,
) -> tuple[Chosen, Blend]:  # fmt: skip
    """The blend with the best NDCG@10 on the validation part, made from the training part.

    EASE's regularisation is chosen before its share: by how EASE alone ranks.
    """
    regularisation, items = choose_items(interactions, split)
    scorers = make_scorers(interactions, split.train, factors, vectors, items)
    shares = choose_shares(scorers, interactions, split)
    blend = blend_scorers(scorers, interactions, split.train, shares)
    return Chosen(shares, regularisation), blend


def choose_items(interactions: Interactions, split: Split) -> tuple[float, Ease]:
    heard = interactions.to_matrix(split.train)
    best: tuple[float, float, Ease] | None = None
    for regularisation in REGULARISATIONS:
        items = Ease(heard, regularisation)
        score = judge_by_validation(items, interactions, split)
        if best is None or score > best[0]:
            best = (score, regularisation, items)
    if best is None:
        raise AssertionError("REGULARISATIONS is empty")
    return best[1], best[2]


def judge_taste(interactions: Interactions, split: Split, blend: Blend) -> Ranking:
    """How the blend, each of its parts, popularity and chance rank the test part, over the
    listeners of `thin`.
    """
    test = thin(interactions, split.test, MOST_JUDGED)
    judged = len(np.unique(interactions.user[test]))
    if not judged:
        return {"judged": 0, "models": []}
    scorers = {**fit_references(interactions, split, 0), **blend.scorers, OURS: blend}
    heard = split.train | split.validation
    found = measure_scorers(scorers, interactions, split.train, heard, test)
    return {"judged": judged, "models": summarise([found])}


def widen_factors(
    factors: tuple[Factors, Factors], taste: Taste, interactions: Interactions
) -> tuple[Factors, Factors]:
    """Factors in the order of the interactions' users and items, which contain the taste's own;
    zeros for the others.
    """
    names = (interactions.users, interactions.items)
    wide = []
    for rows, own, wanted in zip(factors, (taste.users, taste.items), names, strict=True):
        placed = np.zeros((len(wanted), rows.shape[1]), np.float32)
        placed[find_places(own, wanted)] = rows
        wide.append(placed)
    return wide[0], wide[1]
