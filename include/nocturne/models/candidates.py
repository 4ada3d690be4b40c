"""Candidates: a version before it goes live.

A version is named by its day and by the hash of everything that it is made of, so that equal
inputs make the same version, and a version that exists need not be made again.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pymongo.database import Database

from nocturne.errors import BadInput, NocturneError
from nocturne.models.gates import describe_verdicts, judge, require_passed
from nocturne.nights import Night
from nocturne.recommend.tables import build_similar_rows
from nocturne.store.collections import FEATURES_PER_TRACK, ensure_collections
from nocturne.store.hashes import hash_content
from nocturne.store.tracks import read_tracks
from nocturne.store.versions import (
    describe_table,
    is_whole,
    note_version,
    open_candidate,
    require_version,
    write_table,
)

Document = dict[str, Any]
# Raise it when the same inputs and settings should give another version than before.
RECIPE = 1
HASH_DIGITS = 12


@dataclass(frozen=True)
class Recipe:
    """The settings that a version depends on."""

    feature_set: str
    k_min: int
    k_max: int
    max_cluster_share: float
    neighbours: int
    recipe: int = RECIPE


def plan_candidate(
    database: Database[Document],
    collection: str,
    track_ids: set[str],
    night: Night,
    recipe: Recipe,
    run_id: str,
    inputs: Path,
) -> str:
    """Name the version that these tracks make, note it, and write its `inputs` for Spark.

    `inputs` is a Parquet file with the column track_id. Raises BadInput if a track is stored
    with another feature set.
    """
    ensure_collections(database, collection)
    fields = ["content_sha256", "feature_set", "source"]
    tracks = list(read_tracks(database[collection], track_ids, fields))
    require_feature_set(tracks, recipe.feature_set)
    contents = [[track["_id"], track["content_sha256"]] for track in tracks]
    digest = hash_content({"tracks": contents, "recipe": asdict(recipe)})
    version = f"{night.data_date}.{digest[:HASH_DIGITS]}"
    candidate = {
        "data_date": night.data_date,
        "as_of": night.end,
        "run_id": run_id,
        "state": "candidate",
        "inputs": {"sha256": digest, "tracks": len(tracks), "recipe": asdict(recipe)},
        "source_offsets": last_offsets(tracks),
    }
    open_candidate(database, version, candidate)
    pd.DataFrame({"track_id": [track["_id"] for track in tracks]}, dtype="string").to_parquet(
        inputs, index=False
    )
    return version


def require_feature_set(tracks: list[Document], feature_set: str) -> None:
    others = sorted({track["feature_set"] for track in tracks} - {feature_set})
    if others:
        raise BadInput(
            f"Some tracks are stored with features of {', '.join(others)}, not {feature_set}: a"
            " newer run used another sample rate. Run a night after it, or set"
            " NOCTURNE_SAMPLE_RATE to that one."
        )


def last_offsets(tracks: list[Document]) -> dict[str, int]:
    """The highest offset that any of the tracks came from, by topic and partition."""
    offsets: dict[str, int] = {}
    for track in tracks:
        source = track["source"]
        partition = f"{source['topic']}[{source['partition']}]"
        offsets[partition] = max(offsets.get(partition, 0), source["offset"])
    return dict(sorted(offsets.items()))


def build_tables(
    database: Database[Document], collection: str, version: str, model_dir: Path
) -> Document:
    """Compute and store the version's tables, unless they are stored whole already.

    `model_dir` is what train_clusters wrote. The answer describes the tables.
    """
    model = require_version(database, version)
    if not is_whole(database, version):
        recipe = Recipe(**model["inputs"]["recipe"])
        clusters = read_clusters(model_dir)
        track_ids, features = read_features(database, collection, model_dir)
        rows = build_similar_rows(version, track_ids, features, clusters, recipe.neighbours)
        tables = {"similar_tracks": write_table(database, "similar_tracks", rows)}
        note_version(database, version, {"tables": tables, "clustering": read_report(model_dir)})
    return dict(require_version(database, version)["tables"])


def read_clusters(model_dir: Path) -> dict[str, int]:
    clusters = pd.read_parquet(model_dir / "clusters.parquet")
    return dict(zip(clusters["track_id"], clusters["cluster"].tolist(), strict=True))


def read_report(model_dir: Path) -> Document:
    report: Document = json.loads((model_dir / "report.json").read_text("utf-8"))
    return report


def read_features(
    database: Database[Document], collection: str, model_dir: Path
) -> tuple[list[str], np.ndarray[tuple[int, int], np.dtype[np.float64]]]:
    """The ids that the model was trained on, sorted, and their features: (tracks, 518).

    Raises NocturneError if a track has gone since.
    """
    track_ids = pd.read_parquet(model_dir / "inputs.parquet")["track_id"].tolist()
    features = np.empty((len(track_ids), FEATURES_PER_TRACK))
    found = []
    for row, track in enumerate(read_tracks(database[collection], track_ids, ["features"])):
        features[row] = track["features"]
        found.append(track["_id"])
    if found != sorted(track_ids):
        raise NocturneError(
            f"{len(track_ids) - len(found)} tracks have left {database.name}.{collection} since"
            f" {model_dir.name} was planned. Clear the run from load_tracks on."
        )
    return found, features


def check_candidate(database: Database[Document], version: str) -> list[Document]:
    """Judge the version by the gates and note the verdicts.

    Raises BadInput with the reasons if one refuses it; the version is kept as `refused`.
    """
    model = require_version(database, version)
    recipe = Recipe(**model["inputs"]["recipe"])
    chosen = model["clustering"]["chosen"]["k"]
    lengths = [
        len(row["similar"])
        for row in database["similar_tracks"].find({"version": version}, ["similar.track_id"])
    ]
    stored = describe_table(database, "similar_tracks", version)
    verdicts = judge(
        tracks=model["inputs"]["tracks"],
        rows=stored["rows"],
        shortest_list=min(lengths, default=0),
        wanted_list=recipe.neighbours,
        largest_share=max(
            (item["largest_share"] for item in model["clustering"]["clusterings"]
             if item["k"] == chosen), default=0.0,
        ),
        max_cluster_share=recipe.max_cluster_share,
        stored_as_meant=stored == model["tables"]["similar_tracks"],
    )  # fmt: skip
    described = describe_verdicts(verdicts)
    refused = not all(verdict.passed for verdict in verdicts)
    state = "refused" if refused else next_state(model["state"])
    note_version(database, version, {"verdicts": described, "state": state})
    require_passed(version, verdicts)
    return described


def next_state(state: str) -> str:
    """A version that was live stays `published` when it is judged again."""
    return state if state == "published" else "checked"
