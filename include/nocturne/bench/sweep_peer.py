"""The sweep of train_clusters as scikit-learn does it, on the same kind of points in memory."""

import json
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pymongo.collection import Collection
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from nocturne.models.unskew import apply_unskew, read_unskew
from nocturne.store.collections import FEATURES_PER_TRACK
from nocturne.store.tracks import read_tracks

Matrix = NDArray[np.float64]
SAMPLE_SEED = 0
MOST_ITERATIONS = 20


def sweep_by_sklearn(tracks: Collection[dict[str, Any]], clusters: Path) -> dict[str, float]:
    """`seconds` of the fits alone, and `seconds_of_preparation` of the points.

    `clusters` is what train_clusters wrote: its transforms, number of components, ks and seeds are
    taken, and as many tracks as it swept. They are in memory before the clock starts.
    """
    report = json.loads((clusters / "report.json").read_text("utf-8"))
    features = read_sample(tracks, clusters / "inputs.parquet", report["sweep_tracks"])
    begun = perf_counter()
    unskewed = apply_unskew(read_unskew(clusters / "unskew.parquet"), features)
    scaled = StandardScaler().fit_transform(unskewed)
    components = len(report["explained_variance"])
    points = PCA(components, svd_solver="covariance_eigh").fit_transform(scaled)
    prepared = perf_counter()
    for k in (item["k"] for item in report["clusterings"]):
        for seed in report["seeds"]:
            fit_kmeans(points, k, seed)
    return {"seconds": perf_counter() - prepared, "seconds_of_preparation": prepared - begun}


def fit_kmeans(points: Matrix, k: int, seed: int) -> KMeans:
    kmeans = KMeans(k, init="k-means++", n_init=1, max_iter=MOST_ITERATIONS, random_state=seed)
    return kmeans.fit(points)


def read_sample(tracks: Collection[dict[str, Any]], inputs: Path, count: int) -> Matrix:
    """Features of so many tracks, drawn at random: (count, FEATURES_PER_TRACK)."""
    track_ids = pd.read_parquet(inputs)["track_id"].to_numpy()
    drawn = np.random.default_rng(SAMPLE_SEED).choice(track_ids, count, replace=False)
    features = np.empty((count, FEATURES_PER_TRACK))
    for row, track in enumerate(read_tracks(tracks, drawn.tolist(), ["features"])):
        features[row] = track["features"]
    return features
