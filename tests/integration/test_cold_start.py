"""Cold start on the sample library: tracks that nobody has heard, ranked by how they sound.

The tracks are synthesised and analysed as a night does it; no server is needed.
"""

from datetime import date

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.metrics import roc_auc_score

from nocturne.recommend.dealings import to_interactions
from nocturne.recommend.scorers import ContentScorer, average_tracks
from nocturne.recommend.space import embed_tracks
from nocturne.sample.catalogue import TRACKS_PER_GENRE, list_good_tracks
from nocturne.sample.genres import GENRES
from nocturne.sample.listening import draw_listener

LAST_DAY = date(2026, 11, 19)
FOLDS = 5
"""Each fifth of the tracks is held out once."""


@pytest.fixture(scope="module")
def tracks():
    return list_good_tracks(LAST_DAY, TRACKS_PER_GENRE)


@pytest.fixture(scope="module")
def vectors(sample_features):
    """Of each track, from its sound alone: (tracks, dims)."""
    return embed_tracks(sample_features, [None] * len(sample_features), "plain")[0]


@pytest.fixture(scope="module")
def liked(tracks, sample_ratings):
    """What the sample's listeners did, as weights of what they like: (listeners, tracks)."""
    ratings = sample_ratings
    users = sorted(ratings["user"].unique())
    positive = to_interactions(
        ratings[ratings["weight"] > 0], users, [str(track.track_id) for track in tracks]
    )
    everything = np.ones(len(positive.user), dtype=bool)
    return positive.to_matrix(everything, weighted=True).toarray()


def score_held_out(vectors, liked, held_out):
    """Scores of tracks of which no interaction was learnt from."""
    known = liked.copy()
    known[:, held_out] = 0
    profiles = average_tracks(csr_matrix(known), vectors)
    return ContentScorer(profiles, vectors).score(np.arange(len(liked)))[:, held_out]


def mean_auc(vectors, liked, wanted):
    """Mean over the listeners and folds of the AUC of what is `wanted`, (listeners, tracks)."""
    found = []
    for fold in range(FOLDS):
        held_out = np.arange(fold, liked.shape[1], FOLDS)
        scores = score_held_out(vectors, liked, held_out)
        for own, right in zip(scores, wanted[:, held_out], strict=True):
            if 0 < right.sum() < len(right):
                found.append(roc_auc_score(right, own))
    return np.mean(found)


def test_new_tracks_are_ranked_as_listeners_then_like_them(vectors, liked):
    """The planted tastes themselves rank them with .80: listeners do not hear all that they like,
    and discover what they do not.
    """
    assert mean_auc(vectors, liked, liked > 0) >= 0.70


def test_new_tracks_are_ranked_by_the_planted_tastes(vectors, liked, tracks):
    """Against the genres that are more than an even share of a listener's taste."""
    tastes = np.array([draw_listener(index).taste for index in range(len(liked))])
    wanted = (tastes > 1 / len(GENRES))[:, [track.genre for track in tracks]]
    assert mean_auc(vectors, liked, wanted) >= 0.80


def test_sound_that_says_nothing_ranks_by_chance(vectors, liked):
    """That the measure itself knows nothing."""
    noise = np.random.default_rng(0).permutation(vectors)
    assert 0.45 < mean_auc(noise, liked, liked > 0) < 0.55
