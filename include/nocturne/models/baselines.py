"""Baselines: recommenders that a trained one must beat, and one that is hard to beat.

Each learns from `train`, a (users, items) matrix, and scores all items for users by row number.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import inv
from scipy.sparse import csr_matrix, diags

Users = NDArray[np.intp]
Scores = NDArray[np.float64]
MOST_SIDE = 12_000  # users or items of EASE: the inverse of 12,000² takes 1.2 GB and some minutes
CHUNK_ROWS = 500


class Popularity:
    """The number of users who have the item, the same for everybody."""

    def __init__(self, train: csr_matrix) -> None:
        self.listeners = np.bincount(train.indices, minlength=train.shape[1]).astype(np.float64)

    def score(self, users: Users) -> Scores:
        return np.broadcast_to(self.listeners, (len(users), len(self.listeners)))


class Random:
    """A number in [0, 1) for every user and item, the same whoever is asked for beside."""

    def __init__(self, items: int, seed: int) -> None:
        self.items, self.seed = items, seed

    def score(self, users: Users) -> Scores:
        rows = [np.random.default_rng([self.seed, int(user)]).random(self.items) for user in users]
        return np.array(rows).reshape(len(users), self.items)


class ItemKnn:
    """Sum of the cosines between an item and those of the user's items that are among its
    `neighbours` nearest (Deshpande and Karypis 2004; RecBole's ItemKNN)."""

    def __init__(self, train: csr_matrix, neighbours: int) -> None:
        self.train = train
        self.cosines = keep_nearest(train, neighbours)

    def score(self, users: Users) -> Scores:
        scores: Scores = (self.train[users] @ self.cosines.T).toarray()
        return scores


def keep_nearest(train: csr_matrix, neighbours: int) -> csr_matrix:
    """Cosines of each item, a row, with its nearest others; of equal ones the lower index."""
    lengths = np.sqrt(np.asarray(train.multiply(train).sum(axis=0)).ravel())
    inverse = np.divide(1.0, lengths, out=np.zeros_like(lengths), where=lengths > 0)
    directions = csr_matrix(train @ diags(inverse)).T.tocsr()
    kept: list[tuple[NDArray[np.float64], Users, Users]] = []
    for start in range(0, directions.shape[0], CHUNK_ROWS):
        chunk = (directions[start : start + CHUNK_ROWS] @ directions.T).tocoo()
        others = chunk.row + start != chunk.col
        rows, items, cosines = chunk.row[others], chunk.col[others], chunk.data[others]
        order = np.lexsort((items, -cosines, rows))
        first = np.searchsorted(rows[order], np.arange(chunk.shape[0]))
        order = order[np.arange(len(order)) - first[rows[order]] < neighbours]
        kept.append((cosines[order], rows[order] + start, items[order]))
    values, rows, items = (np.concatenate(parts) for parts in zip(*kept, strict=True))
    return csr_matrix((values, (rows, items)), shape=(train.shape[1], train.shape[1]))


class Ease:
    """EASE, a linear item-item model with no item explaining itself (Steck 2019).

    With X = `train`, λ = `l2` > 0 and P = (XᵀX + λI)⁻¹, scores are X - X P / diag(P). P is never
    made if there are fewer users than items: by the push-through identity X P = K X with
    K = (XXᵀ + λI)⁻¹, (users, users), and diag(P) = (1 - diag(Xᵀ K X)) / λ.

    If both sides are above MOST_SIDE, the model is of the MOST_SIDE most popular items;
    `items_left_out` says how many score 0 for that.
    """

    def __init__(self, train: csr_matrix, l2: float) -> None:
        self.items = train.shape[1]
        self.kept = choose_items(train)
        self.items_left_out = self.items - len(self.kept)
        self.train = csr_matrix(train, dtype=np.float64)[:, self.kept]
        self.dual = self.train.shape[0] < len(self.kept)
        side = self.train if self.dual else csr_matrix(self.train.T)
        self.inverse = invert_with_ridge(multiply_rows(side), l2)
        if self.dual:
            self.diagonal = (1 - self.explain_diagonal()) / l2
        else:
            self.diagonal = self.inverse.diagonal().copy()

    def explain_diagonal(self) -> NDArray[np.float64]:
        """diag(Xᵀ K X), by chunks of users."""
        explained = np.zeros(len(self.kept))
        for start in range(0, self.train.shape[0], CHUNK_ROWS):
            rows = np.arange(start, min(start + CHUNK_ROWS, self.train.shape[0]))
            product = self.train[rows].multiply(self.project(rows))
            explained += np.asarray(product.sum(axis=0)).ravel()
        return explained

    def project(self, users: Users) -> Scores:
        """The users' rows of X P."""
        if self.dual:
            return np.asarray((self.train.T @ self.inverse[users].T).T)
        return np.asarray(self.train[users] @ self.inverse)

    def score(self, users: Users) -> Scores:
        scores = np.zeros((len(users), self.items))
        scores[:, self.kept] = self.train[users].toarray() - self.project(users) / self.diagonal
        return scores


def choose_items(train: csr_matrix) -> Users:
    """All items if a side is small enough for EASE, else the most popular, in order of index."""
    users, items = train.shape
    if min(users, items) <= MOST_SIDE:
        return np.arange(items)
    listeners = np.bincount(train.indices, minlength=items)
    return np.sort(np.argsort(-listeners, kind="stable")[:MOST_SIDE])


def multiply_rows(rows: csr_matrix) -> NDArray[np.float64]:
    """The dot products of all rows, dense: (rows, rows)."""
    products = np.empty((rows.shape[0], rows.shape[0]))
    for start in range(0, len(products), CHUNK_ROWS):
        chunk = slice(start, start + CHUNK_ROWS)
        products[chunk] = (rows[chunk] @ rows.T).toarray()
    return products


def invert_with_ridge(gram: NDArray[np.float64], l2: float) -> NDArray[np.float64]:
    """(gram + l2 · I)⁻¹; overwrites `gram`."""
    gram[np.diag_indices_from(gram)] += l2
    inverse: NDArray[np.float64] = inv(gram, overwrite_a=True, assume_a="pos")
    return inverse
