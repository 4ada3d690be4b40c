"""Implicit-feedback ALS in memory, on all cores: the same objective as Spark MLlib's.

Hu, Koren and Volinsky (2008): a weight w has the confidence 1 + alpha · |w| in a preference that
is 1 for w > 0 and 0 otherwise. As in MLlib, the regularisation is scaled by how many positive
weights a row has (Zhou et al. 2008), so that one setting suits rows of any length.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

from nocturne.models.taste import Factors, Setting

Doubles = NDArray[np.float64]

MOST_CELLS = 2**22
"""Gathered factors of a block of rows: 32 MB for each core."""


def fit_factors(
    weights: csr_matrix, setting: Setting, iterations: int, seed: int
) -> tuple[Factors, Factors]:
    """Factors of the rows and of the columns after one iteration or more: (rows, rank),
    (columns, rank).

    `weights` is (rows, columns); a row or column without a positive weight has zeros. Equal input
    gives equal bytes, however many cores there are.
    """
    turned, cores = weights.T.tocsr(), len(os.sched_getaffinity(0))
    rows = draw_factors(weights, setting.rank, seed)
    with threadpool_limits(1), ThreadPoolExecutor(cores) as pool:
        for _ in range(iterations):
            columns = solve_side(pool, turned, rows, setting)
            rows = solve_side(pool, weights, columns, setting)
    return rows.astype(np.float32), columns.astype(np.float32)


def draw_factors(side: csr_matrix, rank: int, seed: int) -> Doubles:
    """Unit vectors in any direction, as MLlib begins; zeros for what is not known."""
    drawn = np.random.default_rng(seed).standard_normal((side.shape[0], rank))
    drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
    drawn[count_positive(side) == 0] = 0
    return drawn


def count_positive(side: csr_matrix) -> NDArray[np.intp]:
    return np.asarray((side > 0).sum(axis=1)).ravel()


def solve_side(
    pool: ThreadPoolExecutor, side: csr_matrix, other: Doubles, setting: Setting
) -> Doubles:
    """The best factors of one side's rows while those of the other side, (columns, rank), stand."""
    positive = count_positive(side)
    everything = other.T @ other
    solved = np.zeros((side.shape[0], setting.rank))

    def solve(block: NDArray[np.intp]) -> None:
        solved[block] = solve_block(side[block], positive[block], other, everything, setting)

    list(pool.map(solve, cut_blocks(np.diff(side.indptr), positive, setting.rank)))
    return solved


def cut_blocks(
    lengths: NDArray[np.intp], positive: NDArray[np.intp], rank: int
) -> Iterator[NDArray[np.intp]]:
    """The rows that have something positive, those of like length together."""
    known = np.flatnonzero(positive)
    known = known[np.argsort(lengths[known], kind="stable")]
    begin = 0
    while begin < len(known):
        # The block's longest row is its last: how many fit depends on itself, so look ahead twice.
        size = max(1, MOST_CELLS // (rank * max(int(lengths[known[begin]]), rank)))
        last = min(begin + size, len(known)) - 1
        size = max(1, MOST_CELLS // (rank * max(int(lengths[known[last]]), rank)))
        yield known[begin : begin + size]
        begin += size


def solve_block(
    side: csr_matrix,
    positive: NDArray[np.intp],
    other: Doubles,
    everything: Doubles,
    setting: Setting,
) -> Doubles:
    """(rows, rank): each row's normal equations, Y'Y + Y'(C - I)Y + n·λ·I over Y'Cp."""
    columns, weights = pad_rows(side)
    known = other[columns]
    confidence = setting.alpha * np.abs(weights)
    left = everything + np.matmul((known * confidence[:, :, None]).transpose(0, 2, 1), known)
    left += (setting.regularisation * positive)[:, None, None] * np.eye(setting.rank)
    wanted = np.where(weights > 0, 1 + confidence, 0.0)
    right = np.matmul(known.transpose(0, 2, 1), wanted[:, :, None])
    return np.asarray(np.linalg.solve(left, right)[:, :, 0])


def pad_rows(side: csr_matrix) -> tuple[NDArray[np.intp], Doubles]:
    """Columns and weights of each row as (rows, longest); weights of 0 fill up."""
    lengths = np.diff(side.indptr)
    filled = np.arange(lengths.max()) < lengths[:, None]
    columns = np.zeros(filled.shape, np.intp)
    weights = np.zeros(filled.shape)
    columns[filled], weights[filled] = side.indices, side.data
    return columns, weights
