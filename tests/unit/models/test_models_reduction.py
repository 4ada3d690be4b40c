import numpy as np
import pytest
from sklearn.decomposition import PCA

from nocturne.models.reduction import MOST_COMPONENTS, fit_reduction, standardise
from nocturne.models.unskew import apply_unskew


def reduce(features):
    reduction = fit_reduction(features)
    unskewed = apply_unskew(reduction.columns, features)
    scaled = standardise(unskewed, reduction.mean, reduction.deviation)
    return reduction, scaled, scaled @ reduction.components


def test_points_are_those_of_scikit_learn():
    """Its components may point the other way; ours have a positive largest loading."""
    features = np.random.default_rng(1).normal(3, 2, (80, 40)) @ np.diag(np.arange(1, 41))
    reduction, scaled, points = reduce(features)
    pca = PCA(MOST_COMPONENTS).fit(scaled)
    theirs = pca.transform(scaled)
    assert points.shape == (80, MOST_COMPONENTS)
    assert points == pytest.approx(theirs * np.sign((theirs * points).sum(axis=0)))
    assert reduction.explained_variance == pytest.approx(pca.explained_variance_ratio_)
    largest = np.abs(reduction.components).argmax(axis=0)
    assert (reduction.components[largest, np.arange(MOST_COMPONENTS)] > 0).all()


def test_units_do_not_matter_and_level_features_say_nothing():
    features = np.random.default_rng(2).normal(size=(30, 4))
    features[:, 3] = 7.0
    _, scaled, points = reduce(features)
    _, _, same = reduce(features * [1000, 1, 0.001, 1])
    assert scaled[:, :3].std(axis=0, ddof=1) == pytest.approx([1, 1, 1])
    assert not scaled[:, 3].any()
    assert points == pytest.approx(same)


def test_few_tracks_have_few_components():
    reduction, _, points = reduce(np.random.default_rng(3).normal(size=(5, 12)))
    assert points.shape == (5, 4)
    assert sum(reduction.explained_variance) == pytest.approx(1)


def test_tracks_that_are_all_alike_are_all_one_point():
    reduction, _, points = reduce(np.ones((6, 3)))
    assert not points.any()
    assert reduction.explained_variance == [0.0, 0.0, 0.0]
