"""What a version knows about its listeners: their taste, and what they must not be shown."""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nocturne.models.baselines import Ease
from nocturne.models.evaluation import Scorer
from nocturne.models.interactions import Interactions
from nocturne.models.taste import Factors, read_taste
from nocturne.recommend.anybody import ANYBODY
from nocturne.recommend.blend import POPULARITY
from nocturne.recommend.candidates import ModelFolder, Recipe
from nocturne.recommend.dealings import find_places, to_interactions, to_split
from nocturne.recommend.for_you import (
    BY_CONTENT,
    BY_POPULARITY,
    BY_TASTE,
    Audience,
    find_left_out,
)
from nocturne.recommend.judged_lists import list_judged
from nocturne.recommend.library import Library
from nocturne.recommend.scorers import Rows, Scores, Vectors
from nocturne.recommend.tastes import (
    TRACKS_OF_A_TASTE,
    blend_scorers,
    choose_blend,
    judge_taste,
    make_scorers,
    widen_factors,
)

Document = dict[str, Any]


@dataclass(frozen=True)
class Listeners:
    """`factors` are those of the tracks, (tracks, rank), zeros for tracks that nobody has heard;
    `heard` is that of Shelf.

    `report` is noted with the version: `ranking`, None as long as nobody has liked anything;
    `possible_lengths`, pairs of a length that the rules allow a list and for how many listeners;
    and `shortest_possible`, the least of these. `judged` are the rows of `list_judged`.
    """

    audience: Audience
    scorer: Scorer
    factors: Factors
    heard: NDArray[np.bool_]
    report: Document
    judged: list[Document]


@dataclass(frozen=True)
class Fame:
    """The same scores for everybody: how many listeners like a track, and of equal ones how often
    the library's source says that it was listened to.
    """

    listeners: NDArray[np.float64]
    elsewhere: NDArray[np.float64]

    def score(self, users: Rows) -> Scores:
        row = self.listeners + self.elsewhere / (self.elsewhere.max(initial=0.0) + 1)
        return np.tile(row, (len(users), 1))


def understand_listeners(
    folder: ModelFolder, library: Library, vectors: Vectors, as_of: datetime, recipe: Recipe
) -> Listeners:
    """Everybody who has done anything before `as_of`, and ANYBODY."""
    dealings = pd.read_parquet(folder.dealings)
    ratings = pd.read_parquet(folder.ratings)
    users = [ANYBODY, *sorted(dealings["user"].unique())]
    liked = to_interactions(ratings[ratings["weight"] > 0], users, library.track_ids)
    numbered = dealings.assign(
        user_number=find_places(dealings["user"], users),
        item_number=find_places(dealings["item"], library.track_ids),
    )
    shape = (len(users), len(library.track_ids))
    left_out = find_left_out(numbered, shape, as_of, timedelta(days=recipe.recent_days))
    everything = np.ones(len(liked.user), dtype=bool)
    weights = liked.to_matrix(everything, weighted=True)
    audience = Audience(users, weights, left_out, find_basis(liked))
    shown = shape[1] - left_out.getnnz(axis=1)
    report = describe_lengths(np.minimum(recipe.list_length, shown))
    fame = Fame(np.bincount(liked.item, minlength=shape[1]).astype(np.float64), library.fame)
    heard = np.bincount(numbered["item_number"], minlength=shape[1]) > 0
    if not folder.taste.exists():
        nothing = np.zeros((shape[1], 1), np.float32)
        report["ranking"] = None
        return Listeners(audience, fame, nothing, heard, report, [])
    scorer, factors, ranking, judged = find_taste(folder, liked, ratings, vectors, fame)
    report["ranking"] = ranking
    return Listeners(audience, scorer, factors, heard, report, judged)


def describe_lengths(possible: NDArray[np.intp]) -> Document:
    lengths, counts = np.unique(possible, return_counts=True)
    pairs = [[int(length), int(count)] for length, count in zip(lengths, counts, strict=True)]
    return {"possible_lengths": pairs, "shortest_possible": pairs[0][0]}


def find_basis(liked: Interactions) -> list[str]:
    """What each listener's list is made from, by how many tracks they like."""
    counts = np.bincount(liked.user, minlength=len(liked.users))
    names = np.where(counts > 0, BY_CONTENT, BY_POPULARITY)
    return list(map(str, np.where(counts >= TRACKS_OF_A_TASTE, BY_TASTE, names)))


def find_taste(
    folder: ModelFolder, liked: Interactions, ratings: pd.DataFrame, vectors: Vectors, fame: Fame
) -> tuple[Scorer, Factors, Document, list[Document]]:
    """The blend over everything with the shares that the validation part chose, the tracks'
    factors, and of the same blend over the training part what the test part says and what it
    lists.
    """
    taste, trained = read_taste(folder.taste)
    split = to_split(ratings[ratings["weight"] > 0])
    judged, final = (
        widen_factors(factors, taste, liked) for factors in (taste.judged, taste.final)
    )
    chosen, blend = choose_blend(liked, split, judged, vectors)
    ranking = {
        "split": "8:1:1 by listener",
        "chosen": {**asdict(chosen), "als": trained["chosen"]},
        **judge_taste(liked, split, blend),
    }
    everything = np.ones(len(liked.user), dtype=bool)
    items = Ease(liked.to_matrix(everything), chosen.regularisation)
    scorers = make_scorers(liked, everything, final, vectors, items)
    scorers[POPULARITY] = fame
    final_blend = blend_scorers(scorers, liked, everything, chosen.shares)
    return final_blend, final[1], ranking, list_judged(liked, split, blend)
