"""What a clustering of points is worth: how tight, how apart, how even and how stable it is."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import cdist
from sklearn.metrics import adjusted_rand_score, calinski_harabasz_score

from nocturne.models.choose_k import Clustering

Points = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Fit:
    """The clustering that a seed gave: (clusters, dimensions) centres, a label for each point."""

    seed: int
    centres: Points
    labels: Labels
    distortion: float


def assign_points(points: Points, centres: Points, seed: int) -> Fit:
    """Each point to its nearest centre, the first of equally near ones.

    The distortion is the sum of squared distances between points and their centres.
    """
    squared = cdist(points, centres, "sqeuclidean")
    labels = squared.argmin(axis=1).astype(np.int32)
    return Fit(seed, centres, labels, float(squared.min(axis=1).sum()))


def rank_fit(fit: Fit) -> tuple[float, int]:
    """Tighter is better; of equally tight ones the smallest seed."""
    return fit.distortion, fit.seed


def describe_fits(k: int, points: Points, fits: list[Fit]) -> Clustering:
    """The figures of k: those of the tightest fit, and how much the seeds agree."""
    stability = mean_agreement([fit.labels for fit in fits])
    return describe_fit(k, points, min(fits, key=rank_fit), stability)


def describe_fit(k: int, points: Points, fit: Fit, stability: float) -> Clustering:
    return Clustering(
        k=k,
        distortion=fit.distortion,
        silhouette=squared_silhouette(points, fit.labels),
        largest_share=float(np.bincount(fit.labels).max() / len(points)),
        calinski_harabasz=calinski_harabasz(points, fit.labels),
        stability=stability,
    )


def mean_agreement(labelings: list[Labels]) -> float:
    """The mean adjusted Rand index (Hubert & Arabie 1985) of all pairs: 1 if all agree, about 0
    if they agree as chance would have it."""
    pairs = combinations(labelings, 2)
    return float(np.mean([adjusted_rand_score(one, other) for one, other in pairs]))


def calinski_harabasz(points: Points, labels: Labels) -> float:
    """(between / (k - 1)) / (within / (n - k)), from the sums of squares (Caliński & Harabasz
    1974); 0 where it is not defined: for a single cluster, or as many as points."""
    if not 1 < len(np.unique(labels)) < len(points):
        return 0.0
    return float(calinski_harabasz_score(points, labels))


def squared_silhouette(points: Points, labels: Labels) -> float:
    """The mean silhouette (Rousseeuw 1987) of all points under squared Euclidean distance.

    The mean squared distance from a point to a cluster follows from the cluster's mean and
    variance, so that no pair of points is compared: the same figure as that of Spark's
    ClusteringEvaluator. 0 for a single cluster, and for a point that is alone in its own.
    """
    _, own, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    if len(sizes) < 2:
        return 0.0
    members = np.eye(len(sizes))[own]
    means = members.T @ points / sizes[:, None]
    spreads = np.bincount(own, ((points - means[own]) ** 2).sum(axis=1)) / sizes
    distances = cdist(points, means, "sqeuclidean") + spreads
    rows = np.arange(len(points))
    # The cluster's mean counts the point's distance to itself, which is zero, as one of them.
    inside = distances[rows, own] * sizes[own] / np.maximum(sizes[own] - 1, 1)
    distances[rows, own] = np.inf
    outside = distances.min(axis=1)
    larger = np.maximum(inside, outside)
    worth = np.divide(outside - inside, larger, out=np.zeros(len(points)), where=larger > 0)
    return float(np.where(sizes[own] > 1, worth, 0.0).mean())
