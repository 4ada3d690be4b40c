"""The tables of a version: similar tracks, and the list of each listener."""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from pymongo.database import Database

from nocturne.errors import BadInput
from nocturne.recommend.candidates import ModelFolder, Recipe
from nocturne.recommend.dealings import hash_rows
from nocturne.recommend.for_you import CLOSE, Shelf, build_for_you_rows
from nocturne.recommend.judged_lists import name_rows
from nocturne.recommend.library import Library, read_library
from nocturne.recommend.listeners import understand_listeners
from nocturne.recommend.similar import Neighbours, Search, name_row, search
from nocturne.recommend.space import embed_tracks
from nocturne.store.versions import (
    JUDGED_LISTS,
    is_whole,
    note_version,
    require_version,
    write_table,
)

Document = dict[str, Any]
Row = dict[str, Any]


def build_tables(
    database: Database[Document], collection: str, version: str, folder: ModelFolder
) -> Document:
    """Compute and store the version's tables, unless they are stored whole already.

    `folder` holds the version's inputs and what Spark made of them. The answer describes the
    tables.
    """
    model = require_version(database, version)
    if not is_whole(database, version):
        recipe = Recipe(**model["inputs"]["recipe"])
        require_dealings(folder, model)
        library = read_library(database, collection, folder)
        vectors, space = embed_tracks(library.features, library.genres, recipe.metric)
        found = search(vectors, recipe.neighbours)
        listeners = understand_listeners(folder, library, vectors, model["as_of"], recipe)
        shelf = Shelf(
            library.track_ids, library.titles, library.artists, library.clusters, vectors,
            listeners.factors, listeners.heard,
        )  # fmt: skip
        lists = build_for_you_rows(
            version, shelf, listeners.audience, listeners.scorer, recipe.list_length
        )
        similar = build_similar_rows(version, library, found)
        tables = {
            "similar_tracks": write_table(database, "similar_tracks", version, similar),
            "for_you": write_table(database, "for_you", version, lists),
        }
        write_table(database, JUDGED_LISTS, version, name_rows(version, listeners.judged))
        noted = {
            "tables": tables,
            "tables_removed": False,
            "space": space,
            "neighbours": {"way": found.way, "recall": found.recall},
            "clustering": json.loads((folder.clusters / "report.json").read_text("utf-8")),
            **listeners.report,
        }
        note_version(database, version, noted)
    return dict(require_version(database, version)["tables"])


def require_dealings(folder: ModelFolder, model: Document) -> None:
    """Raise BadInput unless the listening is that which the version is named by."""
    named = model["inputs"].get("dealings_sha256")
    if hash_rows(pd.read_parquet(folder.dealings)) != named:
        raise BadInput(
            f"{folder.dealings} is not the listening that {model['_id']} was planned with. Remove"
            f" the folder {folder.path}, then clear plan_candidate and what follows."
        )


def build_similar_rows(version: str, library: Library, found: Search) -> Iterator[Row]:
    """A row of `similar_tracks` for each track; `cluster` is None where there is no clustering.

    A copy has the row of the track that it is a copy of, and says so.
    """
    places = {track_id: place for place, track_id in enumerate(library.track_ids)}
    ids = np.array(library.track_ids, dtype=object)
    clusters = dict(zip(library.track_ids, library.clusters, strict=True))
    for track_id in sorted([*library.track_ids, *library.copies]):
        original = library.copies.get(track_id)
        neighbours = name_row(ids, found, places[original or track_id])
        row = {
            "_id": f"{version}/{track_id}",
            "version": version,
            "track_id": track_id,
            "cluster": clusters[neighbours.track_id],
            "similar": list(describe_neighbours(neighbours, clusters)),
        }
        yield row if original is None else row | {"copy_of": original}


def describe_neighbours(neighbours: Neighbours, clusters: dict[str, int | None]) -> Iterator[Row]:
    own = clusters[neighbours.track_id]
    for other, score in zip(neighbours.track_ids, neighbours.scores, strict=True):
        yield {
            "track_id": other,
            "score": score,
            "cluster": clusters[other],
            "reason": give_reason(own, clusters[other], score),
        }


def give_reason(cluster: int | None, other_cluster: int | None, score: float) -> str:
    """`score` is the cosine: below CLOSE nothing is close, whatever its cluster."""
    if score < CLOSE:
        return "the nearest there is"
    if cluster is not None and cluster == other_cluster:
        return "same cluster and close in timbre"
    return "close in timbre"
