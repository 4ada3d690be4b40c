"""The nearest of every track, exactly: float32 finds candidates, float64 ranks them."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from nocturne.errors import BadInput

Vectors = NDArray[np.float32]
Rows = NDArray[np.intp]
Scores = NDArray[np.float64]
# Scores equal to this many decimals are a tie: beyond it, rounding decides.
SCORE_DECIMALS = 6
HALF_DECIMAL = 0.5 * 10.0**-SCORE_DECIMALS
# So many candidates more than asked for: the next scores are then clearly lower, ties aside.
MARGIN = 6
# Comparing so few plainly takes less than compiling the kernels, about 1.5 s.
PLAIN_UP_TO = 5000
# 768 x 768 scores are 2.4 MB, which stay in a core's cache; 512 and 1024 take a tenth longer.
BLOCK_ROWS = 768
# 4 million pairs in float64, with their rows and ranks, are about 200 MB.
PAIRS_AT_A_TIME = 4_000_000


def search_exact(vectors: Vectors, count: int) -> tuple[Rows, Scores]:
    """For each row its `count` nearest others by cosine, the nearest first.

    `vectors` is (tracks, dims), of unit rows or zeros. The answers are (tracks, count), or
    (tracks, tracks - 1) if that is less. A score is the sum of products in float64, in the order
    of the columns, rounded; of equal scores the lower row is first. So neither threads nor blocks
    change a byte. Raises BadInput for rows of another length.
    """
    require_unit_rows(vectors)
    count = max(0, min(count, len(vectors) - 1))
    if len(vectors) <= PLAIN_UP_TO or count + MARGIN >= len(vectors):
        return search_rows(vectors, np.arange(len(vectors)), count)
    candidates, lowest = find_candidates(vectors, count + MARGIN)
    indices, scores = rank_candidates(vectors, candidates, count)
    unsure = np.flatnonzero(scores[:, -1] <= lowest + HALF_DECIMAL + rounding_error(vectors))
    indices[unsure], scores[unsure] = search_rows(vectors, unsure, count)
    return indices, scores


def require_unit_rows(vectors: Vectors) -> None:
    lengths = np.linalg.norm(vectors, axis=1)
    wrong = np.flatnonzero(~((lengths == 0) | (np.abs(lengths - 1) < 1e-3)))
    if len(wrong):
        raise BadInput(
            f"{len(wrong)} of {len(vectors)} vectors have neither length 1 nor 0, the first in row"
            f" {wrong[0]} ({lengths[wrong[0]]:g}). Divide each by its length before the search."
        )


def rounding_error(vectors: Vectors) -> float:
    """How far a float32 product of two of the rows can be from the true one.

    Higham 2002, Accuracy and Stability of Numerical Algorithms, (3.5); the rows' own lengths are
    at most 1.001.
    """
    steps = vectors.shape[1] * 2.0**-24
    return float(1.01 * steps / (1 - steps))


def find_candidates(vectors: Vectors, count: int) -> tuple[Rows, NDArray[np.float32]]:
    """The `count` nearest others of each row by float32 scores, the nearest first, and the lowest
    of these scores.

    A block of scores serves both its rows and its columns, so half of all products are enough.
    Each thread multiplies on its own, and has the lists of a block of tracks for itself.
    """
    from nocturne.recommend.exact_kernels import keep_by_column, keep_by_row

    tracks = len(vectors)
    scores = np.full((tracks, count), -2, np.float32)
    rows = np.full((tracks, count), -1, np.int32)
    blocks = [slice(start, start + BLOCK_ROWS) for start in range(0, tracks, BLOCK_ROWS)]
    locks = [threading.Lock() for _ in blocks]

    def compare_with_later(one: int) -> None:
        across = blocks[one]
        memory = np.empty(BLOCK_ROWS * BLOCK_ROWS, np.float32)
        for other in range(one, len(blocks)):
            down = blocks[other]
            products = multiply(vectors[across], vectors[down], memory)
            with locks[one]:
                keep_by_row(products, across.start, down.start, scores[across], rows[across])
            if other > one:
                with locks[other]:
                    keep_by_column(products, across.start, scores[down], rows[down])

    with threadpool_limits(1), ThreadPoolExecutor(count_cores()) as pool:
        list(pool.map(compare_with_later, range(len(blocks))))
    return rows.astype(np.intp), scores[:, -1]


def multiply(across: Vectors, down: Vectors, memory: Vectors) -> Vectors:
    """All products of the rows of two blocks, in `memory`: new memory each time costs a fifth."""
    products = memory[: len(across) * len(down)].reshape(len(across), len(down))
    return np.matmul(across, down.T, out=products)


def count_cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0))


def rank_candidates(vectors: Vectors, candidates: Rows, count: int) -> tuple[Rows, Scores]:
    """The `count` nearest of each row's candidates (tracks, at least `count`), as in
    search_exact.
    """
    from nocturne.recommend.exact_kernels import score_candidates

    ordered = np.sort(candidates, axis=1)
    scores = round_scores(score_candidates(vectors.astype(np.float64), ordered))
    best = np.argsort(-scores, axis=1, kind="stable")[:, :count]
    return np.take_along_axis(ordered, best, axis=1), np.take_along_axis(scores, best, axis=1)


def round_scores(scores: Scores) -> Scores:
    """To SCORE_DECIMALS, without negative zeros."""
    return np.asarray(np.round(scores, SCORE_DECIMALS) + 0.0)


def search_rows(vectors: Vectors, rows: Rows, count: int) -> tuple[Rows, Scores]:
    """What search_exact answers for these rows, comparing each with every other in float64."""
    indices = np.empty((len(rows), count), np.intp)
    scores = np.empty((len(rows), count))
    columns = vectors.T.astype(np.float64)
    if count <= 0 or not len(rows):
        return indices, scores
    step = max(1, PAIRS_AT_A_TIME // len(vectors))
    for start in range(0, len(rows), step):
        chunk = slice(start, start + step)
        indices[chunk], scores[chunk] = search_chunk(columns, rows[chunk], count)
    return indices, scores


def search_chunk(columns: NDArray[np.float64], rows: Rows, count: int) -> tuple[Rows, Scores]:
    """`columns` are the vectors, transposed."""
    rough = columns[:, rows].T @ columns
    rough[np.arange(len(rows)), rows] = -np.inf
    least = np.partition(rough, -count, axis=1)[:, -count]
    own, other = np.nonzero(rough >= least[:, None] - 3 * HALF_DECIMAL)
    scores = round_scores(score_pairs(columns, rows[own], other))
    order = np.lexsort((other, -scores, own))
    best = np.searchsorted(own, np.arange(len(rows)))[:, None] + np.arange(count)
    return other[order[best]], scores[order[best]]


def score_pairs(columns: NDArray[np.float64], own: Rows, other: Rows) -> NDArray[Any]:
    """Sums of products in the order of the columns: other orders round otherwise."""
    total = np.zeros(len(own))
    for column in columns:
        total += column[own] * column[other]
    return total
