"""Choosing the number of clusters."""

from dataclasses import dataclass

from kneed import KneeLocator

# Below three tracks a cluster on average, a clustering says nothing about a library.
TRACKS_PER_CLUSTER = 3
FEWEST_POINTS_FOR_A_KNEE = 4


@dataclass(frozen=True)
class Clustering:
    """What one k gave: within-cluster sum of squares, mean silhouette, share of the largest."""

    k: int
    distortion: float
    silhouette: float
    largest_share: float


@dataclass(frozen=True)
class Choice:
    """The chosen k, or None, with the reason; `knee` is where the distortion bends, if it does."""

    k: int | None
    knee: int | None
    reason: str


def range_of_k(k_min: int, k_max: int, tracks: int) -> range:
    """The ks worth trying on so many tracks; empty if the library is too small."""
    return range(k_min, min(k_max, tracks // TRACKS_PER_CLUSTER) + 1)


def choose_k(clusterings: list[Clustering], max_cluster_share: float) -> Choice:
    """The knee of the distortion if it is admissible and no admissible silhouette is better by
    half, else the admissible k of the best silhouette.

    Admissible is a clustering whose largest cluster holds at most `max_cluster_share` of the
    tracks: without that, one cluster with everything in it has a fine silhouette.
    """
    if not clusterings:
        return Choice(None, None, "the library is too small to be clustered")
    knee = find_knee(clusterings)
    admissible = {item.k: item for item in clusterings if item.largest_share <= max_cluster_share}
    if not admissible:
        return Choice(
            None, knee, f"for every k one cluster holds more than {max_cluster_share:.0%}"
        )
    best = max(admissible.values(), key=lambda item: (item.silhouette, -item.k))
    if knee in admissible and admissible[knee].silhouette >= best.silhouette / 1.5:
        return Choice(knee, knee, "the knee of the distortion")
    return Choice(best.k, knee, "the best silhouette")


def find_knee(clusterings: list[Clustering]) -> int | None:
    """Where the falling, convex curve of distortion over k bends (Satopaa et al. 2011)."""
    level = len({item.distortion for item in clusterings}) < 2
    if level or len(clusterings) < FEWEST_POINTS_FOR_A_KNEE:
        return None
    ordered = sorted(clusterings, key=lambda item: item.k)
    locator = KneeLocator(
        [item.k for item in ordered],
        [item.distortion for item in ordered],
        curve="convex",
        direction="decreasing",
    )
    return None if locator.knee is None else int(locator.knee)
