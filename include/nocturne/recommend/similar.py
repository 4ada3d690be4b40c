"""Similar tracks: the nearest by cosine in the standardised feature space."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Scores equal to this many decimals are a tie: beyond it, rounding decides.
SCORE_DECIMALS = 6
# 512 rows of scores against 100,000 tracks are 400 MB.
CHUNK_ROWS = 512
Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Neighbours:
    """The tracks nearest to one track, the nearest first; `scores` are cosines in [-1, 1]."""

    track_id: str
    track_ids: list[str]
    scores: list[float]


def standardise(features: Matrix) -> Matrix:
    """Zero mean and unit variance by column; a constant column becomes zero.

    Shape (tracks, features) in and out.
    """
    centred = features - features.mean(axis=0)
    deviation = centred.std(axis=0)
    return divide_or_zero(centred, deviation)


def find_neighbours(track_ids: list[str], features: Matrix, count: int) -> Iterator[Neighbours]:
    """For each track its `count` nearest others, or all others if there are fewer.

    `features` has shape (tracks, features), a row for each of `track_ids`. Ties are broken by
    track id, a track never stands in its own list.
    """
    if not track_ids:
        return
    order = np.argsort(np.array(track_ids))
    ids = np.array(track_ids)[order]
    directions = normalise_rows(standardise(features[order]))
    count = min(count, len(ids) - 1)
    for start in range(0, len(ids), CHUNK_ROWS):
        chunk = directions[start : start + CHUNK_ROWS] @ directions.T
        scores = np.round(chunk, SCORE_DECIMALS) + 0.0
        for offset, row in enumerate(scores):
            row[start + offset] = -np.inf
            nearest = take_largest(row, count)
            yield Neighbours(str(ids[start + offset]), ids[nearest].tolist(), row[nearest].tolist())


def normalise_rows(rows: Matrix) -> Matrix:
    """Rows of unit length; a row of zeros stays one, at cosine 0 from everything."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return divide_or_zero(rows, lengths)


def divide_or_zero(rows: Matrix, divisor: Matrix) -> Matrix:
    """The quotient, and zero where the divisor is not positive."""
    quotient: Matrix = np.divide(rows, divisor, out=np.zeros_like(rows), where=divisor > 0)
    return quotient


def take_largest(scores: Matrix, count: int) -> NDArray[np.intp]:
    """Indices of the `count` largest scores, largest first, of equal ones the lower index."""
    if count <= 0:
        return np.empty(0, dtype=np.intp)
    threshold = np.partition(scores, -count)[-count]
    candidates = np.flatnonzero(scores >= threshold)
    return candidates[np.argsort(-scores[candidates], kind="stable")][:count]
