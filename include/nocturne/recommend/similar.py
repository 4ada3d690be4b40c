"""Similar tracks: the nearest by cosine in the space of `space`."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nocturne.recommend.approximate import search_approximate
from nocturne.recommend.exact import Rows, Scores, Vectors, search_exact

# The exact search of so many takes about two minutes on two cores, and four times that of twice
# as many.
EXACT_UP_TO = 300_000
EXACT, APPROXIMATE = "exact", "approximate"


@dataclass(frozen=True)
class Neighbours:
    """The tracks nearest to one track, the nearest first; `scores` are cosines in [-1, 1]."""

    track_id: str
    track_ids: list[str]
    scores: list[float]


@dataclass(frozen=True)
class Search:
    """The nearest rows of each row, see search_exact; `way` is "exact" or "approximate", `recall`
    the share of the truly nearest that was found.
    """

    indices: Rows
    scores: Scores
    way: str
    recall: float


def search(vectors: Vectors, count: int) -> Search:
    """Exactly up to EXACT_UP_TO rows; `vectors` is (tracks, dims), of unit rows or zeros."""
    if len(vectors) <= EXACT_UP_TO:
        return Search(*search_exact(vectors, count), EXACT, 1.0)
    indices, scores, recall = search_approximate(vectors, count)
    return Search(indices, scores, APPROXIMATE, recall)


def name_neighbours(track_ids: list[str], found: Search) -> Iterator[Neighbours]:
    """What was found for the rows of these tracks, in their order.

    If that is the order of their ids, ties are broken by track id.
    """
    ids = np.array(track_ids, dtype=object)
    for place, _ in zip(range(len(ids)), found.indices, strict=True):
        yield name_row(ids, found, place)


def name_row(ids: NDArray[np.object_], found: Search, place: int) -> Neighbours:
    """The same for one row."""
    nearest, scores = found.indices[place], found.scores[place]
    return Neighbours(ids[place], ids[nearest].tolist(), scores.tolist())
