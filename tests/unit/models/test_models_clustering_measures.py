import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, silhouette_score

from nocturne.models.choose_k import Admissible, choose_k
from nocturne.models.clustering_measures import (
    Fit,
    assign_points,
    calinski_harabasz,
    describe_fits,
    mean_agreement,
    squared_silhouette,
)
from nocturne.models.unskew import apply_unskew, fit_unskew

SQUARE = np.array([[0.0, 0], [0, 2], [10, 0], [10, 2]])
SIDES = np.array([0, 0, 1, 1], dtype=np.int32)


def random_clustering(sizes):
    random = np.random.default_rng(3)
    labels = np.repeat(np.arange(len(sizes)), sizes).astype(np.int32)
    points = random.normal(0, 1, (len(sizes), 5))[labels] + random.normal(0, 0.8, (len(labels), 5))
    return points, labels


def test_points_go_to_the_nearest_centre_and_distances_are_summed():
    fit = assign_points(SQUARE, np.array([[0.0, 1], [10, 0]]), seed=4)
    assert fit.labels.tolist() == [0, 0, 1, 1]
    assert fit.distortion == 1 + 1 + 0 + 4
    assert fit.seed == 4


def test_a_point_between_two_centres_goes_to_the_first():
    assert assign_points(SQUARE, np.array([[0.0, 1], [0, 1]]), 1).labels.tolist() == [0, 0, 0, 0]


def test_a_worked_silhouette():
    """Inside 4, to the other side (100 + 104) / 2: 98/102 for every point."""
    assert squared_silhouette(SQUARE, SIDES) == pytest.approx(98 / 102)


@pytest.mark.parametrize("sizes", [(40, 30, 20), (1, 50), (3, 1, 1, 60), (2, 2)])
def test_the_silhouette_is_that_of_scikit_learn(sizes):
    points, labels = random_clustering(sizes)
    expected = silhouette_score(points, labels, metric="sqeuclidean")
    assert squared_silhouette(points, labels * 3) == pytest.approx(expected, abs=1e-12)


def test_one_cluster_and_points_that_are_all_the_same_have_no_silhouette():
    assert squared_silhouette(SQUARE, np.zeros(4, np.int32)) == 0.0
    assert squared_silhouette(np.ones((4, 2)), SIDES) == 0.0


def test_a_worked_calinski_harabasz_index():
    """Between: four points 5 from the mean, 100; within: four points 1 from theirs, 4."""
    assert calinski_harabasz(SQUARE, SIDES) == pytest.approx((100 / 1) / (4 / 2))


def test_the_index_is_0_where_it_is_not_defined():
    assert calinski_harabasz(SQUARE, np.zeros(4, np.int32)) == 0.0
    assert calinski_harabasz(SQUARE, np.arange(4, dtype=np.int32)) == 0.0


def test_agreement_is_the_mean_of_all_pairs_and_does_not_mind_names():
    first, renamed = np.array([0, 0, 1, 1, 2, 2]), np.array([2, 2, 0, 0, 1, 1])
    other = np.array([0, 1, 0, 1, 0, 1])
    assert mean_agreement([first, renamed]) == 1.0
    apart = adjusted_rand_score(first, other)
    assert mean_agreement([first, renamed, other]) == pytest.approx((1 + 2 * apart) / 3)


def test_the_figures_are_those_of_the_tightest_seed():
    nowhere = np.empty((0, 2))
    loose = Fit(1, nowhere, np.array([0, 1, 0, 1], np.int32), 9.0)
    tight = Fit(3, nowhere, SIDES, 4.0)
    later = Fit(5, nowhere, np.array([0, 0, 0, 1], np.int32), 4.0)
    found = describe_fits(2, SQUARE, [later, loose, tight])
    assert (found.k, found.distortion, found.largest_share) == (2, 4.0, 0.5)
    assert found.silhouette == pytest.approx(98 / 102)
    assert found.calinski_harabasz == pytest.approx(50)
    assert found.stability < 0.5


def test_a_fine_silhouette_of_raw_skewed_features_is_refused_and_transformed_they_are_found():
    """What DESIGN.md warns of: a silhouette above .9, with 99 % of the tracks in one cluster."""
    random = np.random.default_rng(11)
    groups = np.repeat(np.arange(3), (90, 110, 100))
    logarithms = random.normal(0, 2, (3, 8))[groups] + random.normal(0, 1, (300, 8))
    features = np.exp(3 * logarithms)

    raw = cluster(features, range(2, 3))
    assert raw[2].silhouette > 0.9
    assert raw[2].largest_share > 0.99
    assert choose_k(list(raw.values()), Admissible(0.5, 0.0)).k is None

    transformed = apply_unskew(fit_unskew(features), features)
    found = cluster(transformed, range(2, 7))
    assert choose_k(list(found.values()), Admissible(0.5, 0.0)).k == 3
    assert found[3].stability > 0.9
    labels = KMeans(3, n_init=3, random_state=0).fit_predict(standardise(transformed))
    assert adjusted_rand_score(groups, labels) > 0.9


def standardise(features):
    return (features - features.mean(axis=0)) / features.std(axis=0)


def cluster(features, ks):
    """What every k gives on standardised features, from three seeds."""
    points = standardise(features)
    found = {}
    for k in ks:
        models = [KMeans(k, n_init=1, random_state=seed).fit(points) for seed in range(3)]
        fits = [
            assign_points(points, model.cluster_centers_, seed) for seed, model in enumerate(models)
        ]
        found[k] = describe_fits(k, points, fits)
    return found
