"""Choosing the number of clusters."""

from dataclasses import dataclass

from nocturne.models.knee import locate_knee

# Below three tracks a cluster on average, a clustering says nothing about a library.
TRACKS_PER_CLUSTER = 3
FEWEST_POINTS_FOR_A_KNEE = 4


@dataclass(frozen=True)
class Clustering:
    """What one k gave.

    `distortion` is the within-cluster sum of squares, `silhouette` the mean over the tracks,
    `largest_share` that of the largest cluster, `stability` the mean adjusted Rand index between
    the clusterings of several seeds.
    """

    k: int
    distortion: float
    silhouette: float
    largest_share: float
    calinski_harabasz: float
    stability: float


@dataclass(frozen=True)
class Choice:
    """The chosen k, or None, with the reason; `knee` is where the distortion bends, if it does."""

    k: int | None
    knee: int | None
    reason: str


def range_of_k(k_min: int, k_max: int, tracks: int) -> range:
    """The ks worth trying on so many tracks; empty if the library is too small."""
    return range(k_min, min(k_max, tracks // TRACKS_PER_CLUSTER) + 1)


@dataclass(frozen=True)
class Admissible:
    """Which clusterings may be chosen, by the share of their largest cluster and by stability."""

    max_cluster_share: float
    min_stability: float


def choose_k(clusterings: list[Clustering], limits: Admissible) -> Choice:
    """The knee of the distortion if it is admissible and no admissible silhouette is better by
    half, else the admissible k of the best silhouette.

    Without limits one cluster with everything in it would have a fine silhouette, and clusters
    that another seed does not find would be given as reasons.
    """
    if not clusterings:
        return Choice(None, None, "the library is too small to be clustered")
    knee = find_knee(clusterings)
    small = [item for item in clusterings if item.largest_share <= limits.max_cluster_share]
    if not small:
        reason = f"for every k one cluster holds more than {limits.max_cluster_share:.0%}"
        return Choice(None, knee, reason)
    admissible = {item.k: item for item in small if item.stability >= limits.min_stability}
    if not admissible:
        reason = f"for every k the seeds agree by less than {limits.min_stability:g}"
        return Choice(None, knee, reason)
    best = max(admissible.values(), key=lambda item: (item.silhouette, -item.k))
    if knee in admissible and admissible[knee].silhouette >= best.silhouette / 1.5:
        return Choice(knee, knee, "the knee of the distortion")
    without_knee = ", as the distortion has no knee" if knee is None else ""
    return Choice(best.k, knee, f"the best silhouette{without_knee}")


def find_knee(clusterings: list[Clustering]) -> int | None:
    """Where the falling, convex curve of distortion over k bends (Satopaa et al. 2011)."""
    level = len({item.distortion for item in clusterings}) < 2
    if level or len(clusterings) < FEWEST_POINTS_FOR_A_KNEE:
        return None
    ordered = sorted(clusterings, key=lambda item: item.k)
    ks = [item.k for item in ordered]
    place = locate_knee(ks, [item.distortion for item in ordered], "convex", "decreasing")
    return None if place is None else ks[place]
