"""The rows of the published tables."""

from collections.abc import Iterator
from typing import Any

from nocturne.recommend.similar import Matrix, find_neighbours

Row = dict[str, Any]


def build_similar_rows(
    version: str, track_ids: list[str], features: Matrix, clusters: dict[str, int], count: int
) -> Iterator[Row]:
    """A row of `similar_tracks` for each track; `cluster` is None where there is no clustering."""
    for neighbours in find_neighbours(track_ids, features, count):
        own = clusters.get(neighbours.track_id)
        yield {
            "_id": f"{version}/{neighbours.track_id}",
            "version": version,
            "track_id": neighbours.track_id,
            "cluster": own,
            "similar": [
                {
                    "track_id": other,
                    "score": score,
                    "cluster": clusters.get(other),
                    "reason": give_reason(own, clusters.get(other)),
                }
                for other, score in zip(neighbours.track_ids, neighbours.scores, strict=True)
            ],
        }


def give_reason(cluster: int | None, other_cluster: int | None) -> str:
    if cluster is not None and cluster == other_cluster:
        return "same cluster and close in sound"
    return "close in sound"
