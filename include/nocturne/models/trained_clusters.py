"""What train_clusters found, but for Spark's part of it, and the files that hold it."""

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

from nocturne.models.choose_k import Choice, Clustering
from nocturne.models.clustering_measures import Fit, Labels, Points, describe_fit
from nocturne.models.projection import project_tracks, tabulate_clusters
from nocturne.models.unskew import Column, count_kinds, write_unskew


@dataclass(frozen=True)
class Trained:
    """A version's clustering; `final` and `labels` are None if no k was chosen.

    `clusterings` are those of the sweep's sample, one for each k. `explained_variance` is the
    share of each principal component. `points`, (tracks, components), are those of all tracks, or
    of the sample if no k was chosen.
    """

    choice: Choice
    clusterings: list[Clustering] = field(default_factory=list)
    columns: list[Column] = field(default_factory=list)
    explained_variance: list[float] = field(default_factory=list)
    track_ids: list[str] = field(default_factory=list)
    points: Points = field(default_factory=lambda: np.empty((0, 0)))
    labels: Labels | None = None
    final: Clustering | None = None

    def describe(self) -> dict[str, object]:
        return {
            "chosen": asdict(self.choice),
            "clusterings": [asdict(item) for item in self.clusterings],
            "final": asdict(self.final) if self.final else None,
            "transforms": count_kinds(self.columns),
            "explained_variance": self.explained_variance,
        }


def finish(swept: Trained, track_ids: list[str], points: Points, fit: Fit) -> Trained:
    """The sweep with the fit of the chosen k on all tracks; its stability is the sweep's."""
    chosen = next(item for item in swept.clusterings if item.k == swept.choice.k)
    final = describe_fit(chosen.k, points, fit, chosen.stability)
    return replace(swept, track_ids=track_ids, points=points, labels=fit.labels, final=final)


def write_trained(trained: Trained, folder: Path) -> None:
    """clusters.parquet and projection.parquet; unskew.parquet if there are features to prepare."""
    if trained.columns:
        write_unskew(trained.columns, folder / "unskew.parquet")
    clusters = tabulate_clusters(trained.track_ids, trained.labels)
    clusters.to_parquet(folder / "clusters.parquet", index=False)
    projection = project_tracks(trained.track_ids, trained.points, trained.labels)
    projection.to_parquet(folder / "projection.parquet", index=False)
