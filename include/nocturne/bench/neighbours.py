"""Neighbours: the nearest of every track, ours beside faiss and beside numpy track by track."""

from collections.abc import Callable
from statistics import median
from time import perf_counter
from typing import Any

import faiss
import numpy as np

from nocturne.bench.turns import rotate
from nocturne.recommend.approximate import search_approximate
from nocturne.recommend.exact import (
    HALF_DECIMAL,
    PLAIN_UP_TO,
    Rows,
    Scores,
    Vectors,
    count_cores,
    search_exact,
)

Say = Callable[[str], None]
TRACKS = 100_000
DIMS = 64
NEIGHBOURS = 20
ROUNDS = 3
# For all of them the loop takes minutes; these take it seconds, as ours and faiss do.
LOOP_TRACKS = 1000
STYLES = 200
SEED = 0


def measure(records: int, say: Say) -> dict[str, Any]:
    """Seconds of ROUNDS rounds, in each of which every way has its turn, on all cores.

    `records` is the number of tracks, 0 for TRACKS. All search the NEIGHBOURS nearest others of
    every track, from the same float32 rows, index-building included; the loop does so for
    LOOP_TRACKS of them, and its seconds are scaled. Compiling our kernels is timed apart.
    `identical` tells whether faiss found tracks of the same scores.
    """
    vectors = make_vectors(records or TRACKS)
    compile_seconds = time_once(lambda: search_exact(make_vectors(PLAIN_UP_TO + 1), NEIGHBOURS))
    found: dict[str, Any] = {}
    seconds = time_ways(vectors, found, say)
    begun = perf_counter()
    *_, recall = search_approximate(vectors, NEIGHBOURS)
    approximate_seconds = perf_counter() - begun
    _, scores = found["ours"]
    return {
        **compare(seconds),
        "identical": is_identical(vectors, scores, found["faiss"]),
        "tracks": len(vectors),
        "dims": DIMS,
        "neighbours": NEIGHBOURS,
        "cores": count_cores(),
        "compile_seconds": round(compile_seconds, 2),
        "approximate_seconds": round(approximate_seconds, 2),
        "approximate_recall": round(recall, 4),
        "approximate_speedup": round(min(seconds["ours"]) / approximate_seconds, 2),
    }


def time_ways(vectors: Vectors, found: dict[str, Any], say: Say) -> dict[str, list[float]]:
    """Seconds of each way by rounds, for all tracks; what the ways found goes into `found`.

    Each round begins with another way. All are warm: the libraries have their threads.
    """
    loop_tracks = np.linspace(0, len(vectors) - 1, LOOP_TRACKS).round().astype(np.intp)
    ways: dict[str, Callable[[], Any]] = {
        "ours": lambda: search_exact(vectors, NEIGHBOURS),
        "faiss": lambda: search_flat(vectors, NEIGHBOURS),
        "loop": lambda: search_one_by_one(vectors, loop_tracks, NEIGHBOURS),
    }
    search_flat(vectors[: NEIGHBOURS + 1], NEIGHBOURS)
    search_one_by_one(vectors, loop_tracks[:3], NEIGHBOURS)
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for turn in range(ROUNDS):
        for way in rotate(list(ways), turn):
            begun = perf_counter()
            found[way] = ways[way]()
            scale = len(vectors) / len(loop_tracks) if way == "loop" else 1
            seconds[way].append((perf_counter() - begun) * scale)
        shown = ", ".join(f"{way} {rounds[-1]:.1f} s" for way, rounds in seconds.items())
        say(f"round {turn + 1}: {shown}")
    return seconds


def make_vectors(tracks: int) -> Vectors:
    """Unit rows about STYLES centres of unequal size, (tracks, DIMS)."""
    rng = np.random.default_rng(SEED)
    sizes = rng.dirichlet(np.ones(STYLES))
    centres = rng.normal(size=(STYLES, DIMS))
    rows = centres[rng.choice(STYLES, tracks, p=sizes)] + rng.normal(size=(tracks, DIMS))
    unit: Vectors = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return unit


def time_once(work: Callable[[], Any]) -> float:
    begun = perf_counter()
    work()
    return perf_counter() - begun


def search_flat(vectors: Vectors, count: int) -> Rows:
    """faiss's exact index, all tracks in one batch: each one's list, itself among them."""
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    _, found = index.search(vectors, min(count + 1, len(vectors)))
    nearest: Rows = found
    return nearest


def search_one_by_one(vectors: Vectors, tracks: Rows, count: int) -> Rows:
    """The nearest others of these tracks, the nearest first: (len(tracks), count).

    Numpy as one would write it for speed: float32, room that is kept, and only those sorted that
    are wanted.
    """
    nearest = np.empty((len(tracks), count), np.intp)
    distances = np.empty(len(vectors), np.float32)
    for place, track in enumerate(tracks):
        np.matmul(vectors, -vectors[track], out=distances)
        distances[track] = np.inf
        near = np.argpartition(distances, count - 1)[:count]
        nearest[place] = near[np.argsort(distances[near])]
    return nearest


def compare(seconds: dict[str, list[float]]) -> dict[str, Any]:
    """Ratios of each way's quickest round, as whatever disturbs a round only ever adds to it; the
    same of medians, and the seconds of every round.
    """
    quickest = {way: min(found) for way, found in seconds.items()}
    medians = {way: median(found) for way, found in seconds.items()}
    return {
        **show_ratios(quickest),
        "seconds": {way: round(value, 3) for way, value in quickest.items()},
        "of_medians": show_ratios(medians),
        "median_seconds": {way: round(value, 3) for way, value in medians.items()},
        "rounds": {way: [round(value, 3) for value in found] for way, found in seconds.items()},
    }


def show_ratios(seconds: dict[str, float]) -> dict[str, float]:
    return {
        "times_faiss": round(seconds["ours"] / seconds["faiss"], 3),
        "speedup_over_loop": round(seconds["loop"] / seconds["ours"], 1),
    }


def is_identical(vectors: Vectors, scores: Scores, peers: Rows) -> bool:
    """Whether the peers' lists, without each track itself, have our scores: so do equally near
    tracks.
    """
    exact = vectors.astype(np.float64)
    for track, found in enumerate(peers):
        others = found[found != track][: scores.shape[1]]
        theirs = np.sort(exact[others] @ exact[track])[::-1]
        if np.abs(theirs - scores[track]).max() > 2 * HALF_DECIMAL:
            return False
    return True
