"""What MongoDB holds of a candidate's tables, beside what it should."""

from collections.abc import Iterator
from typing import Any

from pymongo.database import Database

from nocturne.models.gates import Stored
from nocturne.recommend.candidates import Recipe
from nocturne.store.versions import describe_table, of_version

Document = dict[str, Any]
Lengths = list[list[int]]
"""Pairs of a length and of how many lists have it."""


def measure_tables(database: Database[Document], model: Document) -> Iterator[Stored]:
    """What is stored of the candidate, table by table."""
    recipe, tracks = Recipe(**model["inputs"]["recipe"]), model["inputs"]["tracks"]
    similar = min(recipe.neighbours, max(model["inputs"]["recordings"] - 1, 0))
    listeners = model["inputs"]["listeners"] + 1
    possible = model.get("possible_lengths") or [[model["shortest_possible"], listeners]]
    tables = {
        "similar_tracks": ("similar", tracks, [[similar, tracks]]),
        "for_you": ("items", listeners, possible),
    }
    for table, (field, rows, lengths) in tables.items():
        found = describe_table(database, table, model["_id"])
        stored = count_lengths(database, table, model["_id"], field)
        shortest, wanted = find_worst(stored, lengths)
        built = model["tables"][table]
        yield Stored(table, found["rows"], rows, shortest, wanted, found == built)


def count_lengths(database: Database[Document], table: str, version: str, field: str) -> Lengths:
    steps: list[Document] = [
        {"$match": of_version(version)},
        {"$group": {"_id": {"$size": f"${field}"}, "lists": {"$sum": 1}}},
    ]
    return [[int(row["_id"]), int(row["lists"])] for row in database[table].aggregate(steps)]


def find_worst(stored: Lengths, possible: Lengths) -> tuple[int, int]:
    """The length of the list that lacks most, and what that should be; of equals the shortest.

    Both are laid beside each other from the longest on: as no list is longer than its listener's
    rules allow, one of them lacks something there if any does. Without lists the shortest possible
    is lacking.
    """
    beside = list(zip(spread(stored), spread(possible), strict=False))
    if not beside:
        return 0, min((length for length, _ in possible), default=0)
    return max(beside, key=lambda pair: (pair[1] - pair[0], -pair[0]))


def spread(lengths: Lengths) -> list[int]:
    return [length for length, count in sorted(lengths, reverse=True) for _ in range(count)]
