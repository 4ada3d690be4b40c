"""Candidates: a version before it goes live, planned and judged.

A version is named by its day and by the hash of everything that it is made of, so that equal
inputs make the same version, and a version that exists need not be made again.
"""

import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pymongo.database import Database

from nocturne.errors import BadInput
from nocturne.models.gates import Limits, describe_verdicts, judge, judge_library
from nocturne.nights import Night
from nocturne.recommend.code_hash import hash_code
from nocturne.settings import Settings
from nocturne.store.collections import ensure_collections
from nocturne.store.hashes import hash_content
from nocturne.store.retention import note_built
from nocturne.store.tracks import read_tracks
from nocturne.store.versions import (
    CHECKED,
    PUBLISHED,
    REFUSED,
    live_version,
    note_run,
    note_version,
    open_candidate,
    require_version,
)

if TYPE_CHECKING:
    import pandas as pd

Document = dict[str, Any]
# Raise it when the same inputs, settings and code should give another version than before; the code
# itself is in `hash_code`.
RECIPE = 4
HASH_DIGITS = 12


@dataclass(frozen=True)
class Recipe:
    """The settings that a version depends on, and the code that makes it of them."""

    feature_set: str
    k_min: int
    k_max: int
    max_cluster_share: float
    min_stability: float
    neighbours: int
    metric: str
    list_length: int
    recent_days: int
    recipe: int = RECIPE
    code: str = ""


def choose_recipe(settings: Settings, definition: str, k_min: int, k_max: int) -> Recipe:
    """The settings' recipe; `definition` is the feature set, the range of k is the run's."""
    return Recipe(
        feature_set=definition,
        k_min=k_min,
        k_max=k_max,
        max_cluster_share=settings.max_cluster_share,
        min_stability=settings.min_stability,
        neighbours=settings.neighbours,
        metric=settings.metric,
        list_length=settings.list_length,
        recent_days=settings.recent_days,
        code=hash_code(),
    )


def choose_limits(settings: Settings) -> Limits:
    return Limits(
        max_cluster_share=settings.max_cluster_share,
        min_stability=settings.min_stability,
        max_silhouette_drop=settings.max_silhouette_drop,
        max_rows_lost=settings.max_rows_lost,
        max_ranking_drop=settings.max_ranking_drop,
    )


@dataclass(frozen=True)
class ModelFolder:
    """Where a version's inputs and models lie; each part appears whole or not at all."""

    path: Path

    @property
    def tracks(self) -> Path:
        """One of each recording."""
        return self.path / "inputs/tracks.parquet"

    @property
    def copies(self) -> Path:
        """The others, each with the track that stands for it."""
        return self.path / "inputs/copies.parquet"

    @property
    def dealings(self) -> Path:
        return self.path / "inputs/dealings.parquet"

    @property
    def ratings(self) -> Path:
        return self.path / "inputs/ratings.parquet"

    @property
    def clusters(self) -> Path:
        return self.path / "clusters"

    @property
    def taste(self) -> Path:
        return self.path / "taste"


def plan_candidate(
    database: Database[Document],
    collection: str,
    track_ids: set[str],
    night: Night,
    recipe: Recipe,
    origin: Document,
    models_dir: Path,
) -> str:
    """Name the version that these tracks and what was listened to by the night's end make, note
    it, and write its inputs for Spark into its ModelFolder.

    `origin` is noted with the version and has no part in its name: `run_id`, the `library` whose
    versions are compared with each other, and `audio_dir`, its folder of audio.
    Raises BadInput if a track is stored with another feature set.
    """
    from nocturne.recommend.dealings import hash_rows, merge_copies, read_dealings
    from nocturne.recommend.recordings import COPY_FIELDS, find_copies

    ensure_collections(database, collection)
    fields = ["content_sha256", "feature_set", "source", *COPY_FIELDS]
    tracks = list(read_tracks(database[collection], track_ids, fields))
    require_feature_set(tracks, recipe.feature_set)
    copies = find_copies(tracks)
    dealings = read_dealings(database, night.end, (track["_id"] for track in tracks))
    dealings = merge_copies(dealings, copies)
    contents = [[track["_id"], track["content_sha256"]] for track in tracks]
    dealt = hash_rows(dealings)
    made_of = {"tracks": contents, "dealings": dealt, "recipe": asdict(recipe)}
    digest = hash_content(made_of)
    version = f"{night.data_date}.{digest[:HASH_DIGITS]}"
    candidate = {
        **origin,
        "data_date": night.data_date,
        "as_of": night.end,
        "state": "candidate",
        "inputs": {
            "sha256": digest,
            "tracks": len(tracks),
            "recordings": len(tracks) - len(copies),
            "listeners": int(dealings["user"].nunique()),
            "dealings": len(dealings),
            "dealings_sha256": dealt,
            "recipe": asdict(recipe),
        },
        "source_offsets": last_offsets(tracks),
    }
    open_candidate(database, version, candidate)
    note_run(database, version, origin["run_id"])
    chosen = [content for content in contents if content[0] not in copies]
    write_inputs(ModelFolder(models_dir / version), chosen, copies, dealings)
    return version


def write_inputs(
    folder: ModelFolder,
    contents: list[list[str]],
    copies: dict[str, str],
    dealings: "pd.DataFrame",
) -> None:
    """Nothing if they are there: they are what the version is named by. `contents` are the ids of
    one track of each recording, each with the hash of its content.
    """
    import pandas as pd

    from nocturne.recommend.dealings import to_ratings

    inputs = folder.tracks.parent
    if inputs.exists():
        return
    building = inputs.with_name("inputs.building")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    tracks = pd.DataFrame(contents, columns=["track_id", "content_sha256"], dtype="string")
    others = {"track_id": list(copies), "copy_of": list(copies.values())}
    tables = {
        folder.tracks: tracks,
        folder.copies: pd.DataFrame(others, dtype="string"),
        folder.dealings: dealings,
        folder.ratings: to_ratings(dealings),
    }
    for file, table in tables.items():
        table.to_parquet(building / file.name, index=False)
    building.replace(inputs)


def require_feature_set(tracks: list[Document], feature_set: str) -> None:
    others = sorted({track["feature_set"] for track in tracks} - {feature_set})
    if others:
        raise BadInput(
            f"Some tracks are stored with features of {', '.join(others)}, not {feature_set}: a"
            " newer run used another rate or excerpt. Run a night after it, or set"
            " NOCTURNE_SAMPLE_RATE and NOCTURNE_EXCERPT_SECONDS to that one."
        )


def last_offsets(tracks: list[Document]) -> dict[str, int]:
    """The highest offset that any of the tracks came from, by topic and partition."""
    offsets: dict[str, int] = {}
    for track in tracks:
        source = track["source"]
        partition = f"{source['topic']}[{source['partition']}]"
        offsets[partition] = max(offsets.get(partition, 0), source["offset"])
    return dict(sorted(offsets.items()))


def judge_candidate(
    database: Database[Document], version: str, limits: Limits, may_replace: bool = False
) -> list[Document]:
    """Judge the version by the gates and note the verdicts; a refused version is kept as such.

    One that was live keeps its state: stricter limits do not undo what readers had. With
    `may_replace` it may take the place of another library's version.
    """
    from nocturne.recommend.judged_lists import compare_versions
    from nocturne.recommend.stored_lists import measure_tables

    model = require_version(database, version)
    require_built(model)
    champion = find_champion(database, model)
    stored = list(measure_tables(database, model))
    beside = compare_versions(database, model, champion, limits)
    verdicts = judge(model, champion, stored, limits, beside.paired, beside.overlap)
    verdicts.append(judge_library(find_replaced(database, model), may_replace))
    described = describe_verdicts(verdicts)
    refused = not all(verdict.passed for verdict in verdicts)
    state = next_state(model["state"], refused)
    noted = {
        "verdicts": described,
        "state": state,
        "champion": champion["_id"] if champion else None,
    }
    note_version(database, version, noted)
    if refused:
        note_built(database, version)
    return described


def require_built(model: Document) -> None:
    if not model.get("tables"):
        raise BadInput(
            f"Version {model['_id']} has no tables (any more). Clear build_tables and what follows."
        )


def find_champion(database: Database[Document], model: Document) -> Document | None:
    """The version that this one would displace, if they can be compared: the live one, of the same
    library and not of a newer day. A version that was live already keeps its own.
    """
    if model["state"] == PUBLISHED:
        return database["models"].find_one({"_id": model.get("champion")})
    live = live_version(database)
    if live is None or live["data_date"] > model["data_date"]:
        return None
    champion = require_version(database, live["version"])
    return champion if champion.get("library") == model["library"] else None


def find_replaced(database: Database[Document], model: Document) -> str | None:
    """The live version of another library whose place this one would take; `model` needs `library`,
    `data_date` and `state` alone.
    """
    live = live_version(database)
    if model["state"] == PUBLISHED or live is None or live["data_date"] > model["data_date"]:
        return None
    other = require_version(database, live["version"])
    return str(other["_id"]) if other.get("library") != model["library"] else None


def next_state(state: str, refused: bool) -> str:
    if state == PUBLISHED:
        return state
    return REFUSED if refused else CHECKED
