"""The tracks of a version as its tables need them."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pymongo.database import Database

from nocturne.errors import BadInput, NocturneError
from nocturne.recommend.candidates import ModelFolder
from nocturne.store.collections import FEATURES_PER_TRACK
from nocturne.store.tracks import describe_changed, read_tracks

Document = dict[str, Any]


@dataclass(frozen=True)
class Library:
    """One track of each recording, sorted by id; `features` is (tracks, 518), `genres` holds None
    where none is given, `clusters` where there is no clustering, `fame` how often the source says
    it was listened to. `copies` are the other tracks, each with the one that stands for it.
    """

    track_ids: list[str]
    titles: list[str]
    artists: list[str]
    genres: list[str | None]
    fame: NDArray[np.float64]
    clusters: list[int | None]
    features: NDArray[np.float64]
    copies: dict[str, str] = field(default_factory=dict)


def read_library(database: Database[Document], collection: str, folder: ModelFolder) -> Library:
    """Raises NocturneError if a track has gone since the version was planned, BadInput if one has
    changed.
    """
    planned = pd.read_parquet(folder.tracks)
    wanted, copies = planned["track_id"].tolist(), read_copies(folder)
    features = np.empty((len(wanted), FEATURES_PER_TRACK))
    found: list[str] = []
    metadata: list[Document] = []
    contents: list[str] = []
    for row, track in enumerate(
        read_tracks(database[collection], wanted, ["features", "metadata", "content_sha256"])
    ):
        features[row] = track["features"]
        found.append(track["_id"])
        metadata.append(track["metadata"])
        contents.append(track["content_sha256"])
    gone = len(wanted) - len(found)
    gone += len(copies) - sum(1 for _ in read_tracks(database[collection], copies, ["_id"]))
    if gone:
        raise NocturneError(
            f"{gone} tracks have left {database.name}.{collection} since"
            f" {folder.path.name} was planned. Clear the run from load_tracks on."
        )
    require_unchanged(folder.path.name, planned, dict(zip(found, contents, strict=True)))
    clusters = read_clusters(folder)
    return Library(
        track_ids=found,
        titles=[str(track["title"]) for track in metadata],
        artists=[str(track["artist_name"]) for track in metadata],
        genres=[find_genre(track) for track in metadata],
        fame=np.array([float(track.get("listens") or 0) for track in metadata]),
        clusters=[clusters.get(track_id) for track_id in found],
        features=features,
        copies=copies,
    )


def require_unchanged(version: str, planned: pd.DataFrame, contents: dict[str, str]) -> None:
    """Raise BadInput unless the tracks are those that the version is named by."""
    if "content_sha256" not in planned:
        raise BadInput(
            f"{version} was planned by an older Nocturne, which did not note what its tracks held."
            " Clear plan_candidate and what follows."
        )
    named = zip(planned["track_id"], planned["content_sha256"], strict=True)
    if changed := [track_id for track_id, content in named if contents[track_id] != content]:
        raise BadInput(describe_changed(version, changed))


def find_genre(metadata: Document) -> str | None:
    """The top genre of a track, else the first of its genres."""
    titles = metadata.get("genre_titles") or [None]
    genre = metadata.get("top_genre_title") or titles[0]
    return str(genre) if genre else None


def read_copies(folder: ModelFolder) -> dict[str, str]:
    copies = pd.read_parquet(folder.copies)
    return dict(zip(copies["track_id"], copies["copy_of"], strict=True))


def read_clusters(folder: ModelFolder) -> dict[str, int]:
    clusters = pd.read_parquet(folder.clusters / "clusters.parquet")
    return dict(zip(clusters["track_id"], clusters["cluster"].tolist(), strict=True))
