"""From features to points: unskewed, standardised, projected on their principal components.

Learned in memory from a sample of the tracks, for a sample is all that it takes.
"""

from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from nocturne.models.clustering_measures import Points
from nocturne.models.unskew import Column, apply_unskew, fit_unskew

MOST_COMPONENTS = 32
"""On the sample library clusters match genres better (NMI .92, not .88) than without PCA, and are
more stable (.76, not .64); on GTZAN they match as well (.35)."""


@dataclass(frozen=True)
class Reduction:
    """What is done to each feature, in this order.

    `mean` and `deviation` are (features,), `components` is (features, components), and
    `explained_variance` the share of each component.
    """

    columns: list[Column]
    mean: Points
    deviation: Points
    components: Points
    explained_variance: list[float]


def fit_reduction(features: Points) -> Reduction:
    """Learn from (tracks, features): features in hertz would drown those in decibels if they were
    not standardised. Equal input gives equal bytes, however many cores there are.
    """
    columns = fit_unskew(features)
    unskewed = apply_unskew(columns, features)
    mean, deviation = unskewed.mean(axis=0), unskewed.std(axis=0, ddof=1)
    components, shares = find_components(standardise(unskewed, mean, deviation))
    return Reduction(columns, mean, deviation, components, shares)


def standardise(unskewed: Points, mean: Points, deviation: Points) -> Points:
    """Zero mean and unit variance; level features are 0, as in Spark's StandardScaler."""
    factors = np.divide(1, deviation, out=np.zeros_like(deviation), where=deviation > 0)
    return (unskewed - mean) * factors


def find_components(scaled: Points) -> tuple[Points, list[float]]:
    """The first principal components of (tracks, features) of mean 0, and each one's share of the
    variance; tracks that are all alike have none to share. Each one's largest loading is positive.
    """
    count = min(MOST_COMPONENTS, scaled.shape[1], len(scaled) - 1)
    with threadpool_limits(1):
        variances, vectors = np.linalg.eigh(scaled.T @ scaled)
    components = vectors[:, ::-1][:, :count]
    largest = np.abs(components).argmax(axis=0)
    components = components * np.sign(components[largest, np.arange(count)])
    total = variances.sum()
    shares = variances[::-1][:count] / total if total > 0 else np.zeros(count)
    return components, [float(share) for share in shares]
