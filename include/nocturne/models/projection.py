"""What readers get of a clustering: each track's cluster, and some tracks to draw."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

CLUSTERS_SCHEMA = {"track_id": "string", "cluster": "int32"}
COMPONENTS = ("component_1", "component_2", "component_3")
MOST_DRAWN = 2_000
"""More dots hide each other, and slow a page down."""

Labels = npt.NDArray[np.int32] | None


def tabulate_clusters(track_ids: Sequence[str], labels: Labels) -> pd.DataFrame:
    """`track_id` and `cluster`, sorted by id; no rows without labels."""
    rows = [] if labels is None else list(zip(track_ids, labels, strict=True))
    clusters = pd.DataFrame(rows, columns=list(CLUSTERS_SCHEMA)).astype(CLUSTERS_SCHEMA)
    return clusters.sort_values("track_id", ignore_index=True)


def project_tracks(
    track_ids: Sequence[str], points: npt.NDArray[np.float64], labels: Labels
) -> pd.DataFrame:
    """`track_id`, `cluster` and COMPONENTS of at most MOST_DRAWN tracks, evenly spaced by id.

    `points` is (tracks, principal components); components that it lacks are 0. Clusters are
    missing without labels.
    """
    order = np.argsort(np.asarray(track_ids, dtype=object), kind="stable")
    drawn = order[np.linspace(0, len(order) - 1, min(MOST_DRAWN, len(order))).astype(int)]
    first = points[drawn, : len(COMPONENTS)]
    clusters = [None] * len(drawn) if labels is None else labels[drawn]
    table = pd.DataFrame(
        {
            "track_id": pd.array([track_ids[row] for row in drawn], dtype="string"),
            "cluster": pd.array(clusters, dtype="Int32"),
        }
    )
    table[list(COMPONENTS)] = np.pad(first, ((0, 0), (0, len(COMPONENTS) - first.shape[1])))
    return table
