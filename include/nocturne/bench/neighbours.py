"""Neighbours: the nearest of every track, ours beside faiss and beside numpy track by track."""

from collections.abc import Callable
from statistics import median
from time import perf_counter
from typing import Any

import faiss
import numpy as np

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
# The loop takes minutes for all tracks.
LOOP_TRACKS = 300
STYLES = 200
SEED = 0


def measure(records: int, say: Say) -> dict[str, Any]:
    """Medians of ROUNDS rounds, in each of which every way has its turn, on all cores.

    `records` is the number of tracks, 0 for TRACKS. All search the NEIGHBOURS nearest others of
    every track, from the same float32 rows, index-building included; the loop does so for
    LOOP_TRACKS of them, and its seconds are scaled. Compiling our kernels is timed apart.
    `identical` tells whether faiss found tracks of the same scores.
    """
    vectors = make_vectors(records or TRACKS)
    compile_seconds = time_once(lambda: search_exact(make_vectors(PLAIN_UP_TO + 1), NEIGHBOURS))
    seconds: dict[str, list[float]] = {"ours": [], "faiss": [], "loop": []}
    for turn in range(1, ROUNDS + 1):
        begun = perf_counter()
        _, scores = search_exact(vectors, NEIGHBOURS)
        seconds["ours"].append(perf_counter() - begun)
        begun = perf_counter()
        peers = search_flat(vectors, NEIGHBOURS)
        seconds["faiss"].append(perf_counter() - begun)
        seconds["loop"].append(time_loop(vectors, NEIGHBOURS))
        say(f"round {turn}: " + ", ".join(f"{way} {s[-1]:.1f} s" for way, s in seconds.items()))
    begun = perf_counter()
    *_, recall = search_approximate(vectors, NEIGHBOURS)
    approximate_seconds = perf_counter() - begun
    return {
        **compare(seconds),
        "identical": is_identical(vectors, scores, peers),
        "tracks": len(vectors),
        "dims": DIMS,
        "neighbours": NEIGHBOURS,
        "cores": count_cores(),
        "compile_seconds": round(compile_seconds, 2),
        "approximate_seconds": round(approximate_seconds, 2),
        "approximate_recall": round(recall, 4),
        "approximate_speedup": round(median(seconds["ours"]) / approximate_seconds, 2),
    }


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


def time_loop(vectors: Vectors, count: int) -> float:
    """Seconds for all tracks, one after the other, from those for LOOP_TRACKS spread evenly."""
    tracks = np.linspace(0, len(vectors) - 1, LOOP_TRACKS).round().astype(np.intp)
    begun = perf_counter()
    for track in tracks:
        scores = vectors @ vectors[track]
        scores[track] = -np.inf
        nearest = np.argpartition(scores, -count)[-count:]
        nearest[np.argsort(-scores[nearest])]
    return (perf_counter() - begun) * len(vectors) / len(tracks)


def compare(seconds: dict[str, list[float]]) -> dict[str, Any]:
    """Ratios of medians, and the seconds of every round."""
    middle = {way: median(found) for way, found in seconds.items()}
    return {
        "times_faiss": round(middle["ours"] / middle["faiss"], 3),
        "speedup_over_loop": round(middle["loop"] / middle["ours"], 1),
        "seconds": {way: round(value, 3) for way, value in middle.items()},
        "rounds": {way: [round(value, 3) for value in found] for way, found in seconds.items()},
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
