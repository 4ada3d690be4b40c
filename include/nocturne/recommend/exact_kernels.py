"""The inner loops of the exact search, compiled by numba when they are first called.

Nothing compiled is kept in files: two processes that write them at once can leave broken ones.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

Float32s = NDArray[np.float32]
Int32s = NDArray[np.int32]
# So many scores at a time are first only compared, which the processor does 8 or 16 at once.
STRIDE = 64


@njit(nogil=True)
def insert(scores: Float32s, rows: Int32s, score: float, row: int) -> None:
    """Put a track into a list, the highest score first, which loses its last."""
    place = scores.size - 1
    while place > 0 and scores[place - 1] < score:
        scores[place] = scores[place - 1]
        rows[place] = rows[place - 1]
        place -= 1
    scores[place] = score
    rows[place] = row


@njit(nogil=True)
def keep_by_row(products: Float32s, own: int, other: int, scores: Float32s, rows: Int32s) -> None:
    """Offer the columns of a block of products to the lists of its rows.

    `own` and `other` are the tracks of its first row and column; `scores` and `rows` are the
    lists of the tracks from `own` on.
    """
    for line in range(products.shape[0]):
        least = scores[line, -1]
        for start in range(0, products.shape[1], STRIDE):
            part = products[line][start : start + STRIDE]
            found = False
            for place in range(part.size):
                found |= part[place] > least
            if not found:
                continue
            for place in range(part.size):
                track = other + start + place
                if part[place] > least and track != own + line:
                    insert(scores[line], rows[line], part[place], track)
                    least = scores[line, -1]


@njit(nogil=True)
def keep_by_column(products: Float32s, own: int, scores: Float32s, rows: Int32s) -> None:
    """Offer the rows of a block, whose tracks begin at `own`, to the lists of its columns."""
    lowest = scores[:, -1].copy()
    for line in range(products.shape[0]):
        for start in range(0, products.shape[1], STRIDE):
            part = products[line][start : start + STRIDE]
            least = lowest[start : start + STRIDE]
            found = False
            for place in range(part.size):
                found |= part[place] > least[place]
            if not found:
                continue
            for place in range(part.size):
                if part[place] > least[place]:
                    column = start + place
                    insert(scores[column], rows[column], part[place], own + line)
                    least[place] = scores[column, -1]


@njit(nogil=True)
def score_candidates(
    vectors: NDArray[np.float64], candidates: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Sums of products in the order of the columns, as numpy's score_pairs: shape of
    `candidates`.
    """
    scores = np.empty(candidates.shape)
    for own in range(candidates.shape[0]):
        for place in range(candidates.shape[1]):
            other = candidates[own, place]
            total = 0.0
            for column in range(vectors.shape[1]):
                total += vectors[own, column] * vectors[other, column]
            scores[own, place] = total
    return scores
