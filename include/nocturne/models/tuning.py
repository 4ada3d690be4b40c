"""Judging the settings of train_taste on the validation part."""

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix

from nocturne.models import metrics
from nocturne.models.evaluation import rank
from nocturne.models.taste import TRAIN, VALIDATION, Factors, FactorScorer

JUDGED_AT = 10
# So many listeners, taken evenly, tell settings apart.
MOST_JUDGED = 2000


def judge_factors(ratings: pd.DataFrame, users: Factors, items: Factors) -> float:
    """Mean NDCG@10 of the validation part among all items but those of the training part.

    `ratings` has the columns user and item, numbers of rows of the factors, and part. 0.0 if
    nothing is held out.
    """
    shape = (len(users), len(items))
    seen, wanted = (to_matrix(ratings, part, shape) for part in (TRAIN, VALIDATION))
    judged = np.flatnonzero(np.diff(wanted.indptr))
    if not len(judged):
        return 0.0
    judged = judged[:: -(-len(judged) // MOST_JUDGED)]
    top = rank(FactorScorer(users, items), judged, seen, JUDGED_AT)
    hits = metrics.find_hits(top, wanted[judged])
    return float(metrics.ndcg(hits, np.diff(wanted.indptr)[judged]).mean())


def to_matrix(ratings: pd.DataFrame, part: str, shape: tuple[int, int]) -> csr_matrix:
    chosen = ratings[ratings["part"] == part]
    places = (chosen["user"].to_numpy(), chosen["item"].to_numpy())
    return csr_matrix((np.ones(len(chosen)), places), shape=shape)
