"""The sweep over the number of clusters: every k from every seed, on the driver.

A sample fits one memory, and Spark would plan hundreds of jobs for it: on 66 tracks 27 fits of
MLlib take a minute, all of these half a second. MLlib then fits the chosen k on all tracks from
the centres that are found here.
"""

import warnings
from itertools import product

import numpy as np
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from nocturne.models.clustering_measures import Fit, Points, assign_points

SEEDS = tuple(range(20240229, 20240239))
"""Any fixed numbers would do; equal inputs must give equal clusters. Ten starts find the tightest
clustering of the sample library, three of k-means|| did not; 45 pairs of them say how stable a k
is."""
MOST_ITERATIONS = 20
"""MLlib's default."""


def sweep_ks(points: Points, ks: range) -> dict[int, list[Fit]]:
    """The clusterings of (tracks, components) points for each k, one for each of SEEDS."""
    # Threads would add up in another order each time, and equal inputs give other bytes.
    with threadpool_limits(1):
        fits = [fit_seed(points, k, seed) for k, seed in product(ks, SEEDS)]
    seeds = len(SEEDS)
    return {k: fits[place * seeds : (place + 1) * seeds] for place, k in enumerate(ks)}


def fit_seed(points: Points, k: int, seed: int) -> Fit:
    """Lloyd's algorithm from k-means++ (Arthur & Vassilvitskii 2007)."""
    kmeans = KMeans(
        k, init="k-means++", n_init=1, max_iter=MOST_ITERATIONS, random_state=seed,
        algorithm="lloyd",
    )  # fmt: skip
    with warnings.catch_warnings():
        # Fewer contents than clusters: some centres are equal then, and their clusters empty.
        warnings.simplefilter("ignore", ConvergenceWarning)
        kmeans.fit(points)
    return assign_points(points, np.asarray(kmeans.cluster_centers_, np.float64), seed)
