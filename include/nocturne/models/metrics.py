"""Metrics of recommended lists.

The functions on `hits` follow RecBole 1.2 (Zhao et al. 2021, recbole.evaluator.metrics) and give
a value for each user. `hits` is boolean, (users, k): is the item at this rank a held-out one?
`relevant` is the number of held-out items of each user, at least one. `top` are item indices,
(users, k), the best first; -1 fills lists that are shorter than k and is never a hit.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, diags

from nocturne.errors import NocturneError

Top = NDArray[np.intp]
Hits = NDArray[np.bool_]
Values = NDArray[np.float64]
# Sums of item vectors, (users, dimensions), are sparse at best: a thousand lists at a time.
CHUNK_LISTS = 1000


def find_hits(top: Top, held_out: csr_matrix) -> Hits:
    """Where `top` names items that its row of `held_out`, (users, items), has."""
    rows, items = held_out.nonzero()
    width = held_out.shape[1]
    asked = np.arange(len(top))[:, None] * width + top
    found: Hits = np.isin(asked, rows.astype(np.int64) * width + items) & (top >= 0)
    return found


def precision(hits: Hits) -> Values:
    """Share of the k places that are hits."""
    return np.asarray(hits.mean(axis=1))


def recall(hits: Hits, relevant: NDArray[np.intp]) -> Values:
    """Share of the held-out items that are in the list."""
    return np.asarray(hits.sum(axis=1) / relevant)


def hit_rate(hits: Hits) -> Values:
    """1 for a list with a hit, else 0."""
    return np.asarray(hits.any(axis=1), dtype=np.float64)


def ndcg(hits: Hits, relevant: NDArray[np.intp]) -> Values:
    """Normalised discounted cumulative gain with gains of 0 and 1 (Järvelin and Kekäläinen 2002).

    The ideal list has min(k, relevant) hits at its top.
    """
    discounts = 1 / np.log2(np.arange(2, hits.shape[1] + 2))
    ideal = np.cumsum(discounts)[np.minimum(relevant, hits.shape[1]) - 1]
    gained: Values = (hits * discounts).sum(axis=1) / ideal
    return gained


def reciprocal_rank(hits: Hits) -> Values:
    """1 / the rank of the first hit, 0 without one; its mean is MRR@k."""
    return np.where(hits.any(axis=1), 1 / (np.argmax(hits, axis=1) + 1), 0.0)


def average_precision(hits: Hits, relevant: NDArray[np.intp]) -> Values:
    """Precision at the rank of each hit, summed, over min(k, relevant); its mean is MAP@k."""
    ranks = np.arange(1, hits.shape[1] + 1)
    summed = (hits * np.cumsum(hits, axis=1) / ranks).sum(axis=1)
    average: Values = summed / np.minimum(relevant, hits.shape[1])
    return average


def count_listings(top: Top, items: int) -> NDArray[np.intp]:
    """How many of the lists have each item: (items,)."""
    return np.bincount(top[top >= 0], minlength=items)


def coverage(listings: NDArray[np.intp]) -> float:
    """Share of all items that stand in any list (RecBole's ItemCoverage)."""
    return float(np.count_nonzero(listings) / len(listings))


def gini(listings: NDArray[np.intp]) -> float:
    """Gini index of how often items are listed, as RecBole's GiniIndex: 0 if all equally often,
    1 - 1/items if one item takes every place.

    Items in no list count. Raises NocturneError if all lists are empty.
    """
    if not listings.any():
        raise NocturneError("No list has an item: all scores are -inf. Mend the model's training.")
    items = len(listings)
    ranks = 2 * np.arange(1, items + 1) - items - 1
    return float((ranks * np.sort(listings)).sum() / (items * listings.sum()))


def self_information(train: csr_matrix) -> Values:
    """-log2 of the share of users who have each item, in bits: (items,).

    The novelty of Zhou et al. 2010 and of Vargas and Castells 2011 (MSI). An item that nobody has
    in `train`, (users, items), counts as if one user had it: log2(users).
    """
    listeners = np.bincount(train.indices, minlength=train.shape[1])
    bits: Values = np.log2(train.shape[0]) - np.log2(np.maximum(listeners, 1))
    return bits


def novelty(top: Top, information: Values) -> Values:
    """Mean self-information of each list, in bits; 0 for an empty one."""
    listed = top >= 0
    summed = np.where(listed, information[top], 0.0).sum(axis=1)
    return np.asarray(summed / np.maximum(listed.sum(axis=1), 1))


def diversity(top: Top, vectors: csr_matrix) -> Values:
    """Mean of 1 - cosine over all pairs of each list (Ziegler et al. 2005; Vargas and Castells
    2011).

    `vectors`, (items, dimensions), may be features, or the listeners of each item. A zero vector is
    at cosine 0 from all. 0 for a list of fewer than two.
    """
    squares = np.asarray(vectors.multiply(vectors).sum(axis=1)).ravel()
    lengths = np.sqrt(squares)
    inverse = np.divide(1.0, lengths, out=np.zeros_like(lengths), where=lengths > 0)
    directions = csr_matrix(diags(inverse) @ vectors)
    ones = np.append(lengths > 0, False)  # the last is for -1
    chunks = [top[start : start + CHUNK_LISTS] for start in range(0, len(top), CHUNK_LISTS)]
    # |v1 + .. + vm|² is the sum of all cosines, those of each with itself included.
    cosines = np.concatenate([sum_cosines(chunk, directions) for chunk in chunks])
    sizes = (top >= 0).sum(axis=1)
    pairs = sizes * (sizes - 1)
    with_others = cosines - ones[top].sum(axis=1)
    return np.where(pairs > 0, 1 - with_others / np.maximum(pairs, 1), 0.0)


def sum_cosines(top: Top, directions: csr_matrix) -> Values:
    rows, places = np.nonzero(top >= 0)
    shape = (len(top), directions.shape[0])
    lists = csr_matrix((np.ones(len(rows)), (rows, top[rows, places])), shape=shape)
    sums = lists @ directions
    return np.asarray(sums.multiply(sums).sum(axis=1)).ravel()
