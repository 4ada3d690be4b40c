"""Scorers that know how tracks sound."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from nocturne.models.evaluation import Scorer

Scores = NDArray[np.floating[Any]]
Vectors = NDArray[np.float32]
Rows = NDArray[np.intp]

# A new track takes after so many known ones.
RELATIVES = 10
# So that shares sum to 1 even where no relative is close.
LEAST_SHARE = 1e-6
# 1,024 rows of closeness to 100,000 tracks are 400 MB.
TRACKS_AT_A_TIME = 1024


@dataclass(frozen=True)
class ContentScorer:
    """Cosines of a listener's mean track with every track: `profiles` and `vectors` have unit rows
    of shape (users, dims) and (items, dims).
    """

    profiles: Vectors
    vectors: Vectors

    def score(self, users: Rows) -> Scores:
        return self.profiles[users] @ self.vectors.T


@dataclass(frozen=True)
class FilledScorer:
    """A scorer by listening that also scores tracks nobody has heard, by the tracks they are near.

    `relatives` is (items, items), sparse: the column of a new track holds the shares of its
    relatives, which sum to 1; that of a known track holds itself. Nearest-neighbour mapping of
    attributes to factors: Gantner et al. 2010.
    """

    scorer: Scorer
    relatives: sp.csr_matrix

    def score(self, users: Rows) -> Scores:
        filled: Scores = np.asarray(self.scorer.score(users) @ self.relatives)
        return filled


def find_relatives(vectors: Vectors, known: NDArray[np.bool_]) -> sp.csr_matrix | None:
    """Shares by which each track takes after known ones, see FilledScorer; None if all or none
    are known.
    """
    old, new = np.flatnonzero(known), np.flatnonzero(~known)
    if not len(old) or not len(new):
        return None
    near = min(RELATIVES, len(old))
    nearest = np.empty((len(new), near), dtype=np.intp)
    shares = np.empty((len(new), near), dtype=np.float32)
    for start in range(0, len(new), TRACKS_AT_A_TIME):
        chunk = slice(start, start + TRACKS_AT_A_TIME)
        closeness = vectors[new[chunk]] @ vectors[old].T
        nearest[chunk] = np.argpartition(-closeness, near - 1, axis=1)[:, :near]
        shares[chunk] = np.take_along_axis(closeness, nearest[chunk], axis=1)
    shares = np.maximum(shares, LEAST_SHARE)
    shares /= shares.sum(axis=1, keepdims=True)
    rows = np.concatenate([old, old[nearest].ravel()])
    columns = np.concatenate([old, np.repeat(new, near)])
    values = np.concatenate([np.ones(len(old), np.float32), shares.ravel()])
    return sp.csr_matrix((values, (rows, columns)), shape=(len(known), len(known)))


def average_tracks(weights: sp.csr_matrix, vectors: Vectors) -> Vectors:
    """Each listener's mean track, of unit length: (users, dims); zeros for who has none."""
    profiles = np.asarray(weights @ vectors, dtype=np.float32)
    lengths = np.linalg.norm(profiles, axis=1, keepdims=True)
    unit: Vectors = np.divide(profiles, lengths, out=np.zeros_like(profiles), where=lengths > 0)
    return unit
