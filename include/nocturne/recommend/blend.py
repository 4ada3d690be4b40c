"""The blend: several scorers as one, their shares chosen on the validation part."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from nocturne.models import metrics
from nocturne.models.evaluation import Scorer, rank
from nocturne.models.interactions import Interactions
from nocturne.models.splits import Mask, Split
from nocturne.recommend.scorers import Rows, Scores

TASTE, ITEMS, CONTENT, POPULARITY = "als", "item_item", "content", "popularity"
ITEM_SHARES = (0.0, 0.3, 0.6)
CONTENT_SHARES = (0.0, 0.1, 0.3)
POPULARITY_SHARES = (0.0, 0.3)
Shares = dict[str, float]
JUDGED_AT = 10
# So many listeners tell blends apart; more of them would take minutes where tracks are many.
MOST_JUDGED = 1000
LISTENERS_AT_A_TIME = 128


@dataclass(frozen=True)
class Blend:
    """The sum of standardised scores by their shares.

    A listener's scores have mean 0 and deviation 1 over all items before they are added, for a
    product of factors and a cosine have different scales. `newcomers` tells whose taste is not
    known well enough: theirs are the `newcomer_shares`.
    """

    scorers: Mapping[str, Scorer]
    shares: Shares
    newcomers: "np.ndarray[tuple[int], np.dtype[np.bool_]] | None" = None
    newcomer_shares: Shares = field(default_factory=dict)

    def score(self, users: Rows) -> Scores:
        blended = self.add_up(users, self.shares)
        if self.newcomers is not None and self.newcomers[users].any():
            new = self.newcomers[users]
            blended[new] = self.add_up(users[new], self.newcomer_shares)
        return blended

    def add_up(self, users: Rows, shares: Shares) -> Scores:
        used = [(name, share) for name, share in shares.items() if share]
        parts = (share * standardise_rows(self.scorers[name].score(users)) for name, share in used)
        first = next(parts)
        for part in parts:
            first += part
        return first


def standardise_rows(scores: Scores) -> Scores:
    """Mean 0 and deviation 1 by row; rows whose scores are all equal become zeros."""
    centred = np.subtract(scores, scores.mean(axis=1, keepdims=True), dtype=np.float32)
    deviation = centred.std(axis=1, keepdims=True)
    standard: Scores = np.divide(centred, deviation, out=centred, where=deviation > 1e-9)
    return standard


def list_shares(scorers: Mapping[str, Scorer]) -> Iterator[Shares]:
    """The blends worth trying with these scorers, the simplest first."""
    contents = CONTENT_SHARES if CONTENT in scorers else (0.0,)
    for popularity, content, items in product(POPULARITY_SHARES, contents, ITEM_SHARES):
        rest = 1 - popularity - content
        yield {
            TASTE: round(rest * (1 - items), 4),
            ITEMS: round(rest * items, 4),
            CONTENT: content,
            POPULARITY: popularity,
        }


@dataclass(frozen=True)
class Given:
    """Scores that are there already, for users by their row."""

    scores: Scores

    def score(self, users: Rows) -> Scores:
        return self.scores[users]


def choose_shares(
    scorers: Mapping[str, Scorer], interactions: Interactions, split: Split
) -> Shares:
    """The shares with the best NDCG@10 on the validation part, of equal ones the first.

    Listeners are those of `thin`.
    """
    seen = interactions.to_matrix(split.train)
    wanted = interactions.to_matrix(thin(interactions, split.validation, MOST_JUDGED))
    users = np.flatnonzero(np.diff(wanted.indptr))
    tried = list(list_shares(scorers))
    gains = np.zeros(len(tried))
    for start in range(0, len(users), LISTENERS_AT_A_TIME):
        some = users[start : start + LISTENERS_AT_A_TIME]
        rows = np.arange(len(some))
        parts = {
            name: Given(standardise_rows(scorer.score(some))) for name, scorer in scorers.items()
        }
        for place, shares in enumerate(tried):
            blended = Given(Blend(parts, shares).score(rows))
            gains[place] += gain(blended, rows, seen[some], wanted[some]).sum()
    return tried[int(gains.argmax())]


def judge_by_validation(scorer: Scorer, interactions: Interactions, split: Split) -> float:
    """Mean NDCG@10 on the validation part over the listeners of `thin`; 0.0 if there are none."""
    wanted = interactions.to_matrix(thin(interactions, split.validation, MOST_JUDGED))
    users = np.flatnonzero(np.diff(wanted.indptr))
    gains = gain(scorer, users, interactions.to_matrix(split.train), wanted[users])
    return float(gains.sum() / max(len(users), 1))


def gain(scorer: Scorer, users: Rows, seen: csr_matrix, wanted: csr_matrix) -> NDArray[np.float64]:
    """NDCG@10 of each of the users, who have a row each in `wanted`."""
    hits = metrics.find_hits(rank(scorer, users, seen, JUDGED_AT), wanted)
    return metrics.ndcg(hits, np.diff(wanted.indptr))


def thin(interactions: Interactions, mask: Mask, most: int) -> Mask:
    """The mask's interactions of at most so many users, taken evenly from all in their order."""
    users = np.unique(interactions.user[mask])
    if len(users) <= most:
        return mask
    places = np.linspace(0, len(users) - 1, most).round().astype(int)
    kept: Mask = mask & np.isin(interactions.user, users[places])
    return kept
