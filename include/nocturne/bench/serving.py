"""Serving: how soon and how many lists of recommendations, beside a route that does nothing."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from nocturne.bench.catalogue_records import SEED, Size
from nocturne.bench.load import Order
from nocturne.bench.published_library import name_listener, publish_library
from nocturne.bench.servers import own_servers
from nocturne.bench.web_processes import bare_app, web_app
from nocturne.errors import NocturneError
from nocturne.store.collections import connect

Say = Callable[[str], None]
TRACKS = 100_000
LISTENERS_PER_TRACK = 0.1
LISTENS_PER_LISTENER = 100
RATE = 200.0
STEADY_SECONDS = 30
TOP_SECONDS = 8
ROUNDS = 3
KEYS = ("p50_ms", "p95_ms", "p99_ms", "top_rate")
ROUTE = "/api/v1/listeners/{}/recommendations"


def measure(records: int, say: Say) -> dict[str, Any]:
    """Milliseconds at RATE requests a second, each for a listener drawn anew, and the top rate
    with as many connections as `load` has.

    `records` is the number of tracks, 0 for TRACKS; a tenth as many listeners. `cold` asks for
    listeners of whom the app knows nothing yet; then everybody is asked for once, as in the first
    hour of a day, and in each of ROUNDS rounds the bare route has its turn. Percentiles and rates
    are medians of the rounds.
    """
    tracks = records or TRACKS
    listeners = max(100, round(tracks * LISTENERS_PER_TRACK))
    with own_servers(say) as settings:
        with connect(settings) as client:
            size = Size(tracks, listeners * LISTENS_PER_LISTENER, listeners)
            publish_library(client[settings.mongo_database], size)
        say(f"{tracks} tracks and {listeners} listeners published")
        log = settings.home / "web.log"
        with web_app(settings, log) as ours, bare_app(settings, log) as bare:
            everybody = draw_paths(listeners)
            cold = load(ours, everybody, min(STEADY_SECONDS, listeners / RATE), RATE)
            say(f"cold: p95 {cold['p95_ms']} ms")
            cold |= {"top_rate": ask_all(ours, everybody)}
            say(f"everybody known, {cold['top_rate']}/s")
            found = take_turns({"ours": (ours, everybody), "bare": (bare, ["/"])}, say)
    return {
        **summarise(found),
        "cold": {name: cold[name] for name in KEYS},
        "tracks": tracks,
        "listeners": listeners,
        "rate": RATE,
    }


def take_turns(
    ways: dict[str, tuple[str, list[str]]], say: Say
) -> dict[str, list[dict[str, float]]]:
    found: dict[str, list[dict[str, float]]] = {name: [] for name in ways}
    for turn in range(1, ROUNDS + 1):
        for name, (address, paths) in ways.items():
            steady = load(address, paths, STEADY_SECONDS, RATE)
            top = load(address, paths, TOP_SECONDS, None)
            found[name].append(steady | {"top_rate": top["rate"]})
            say(f"round {turn}, {name}: p95 {steady['p95_ms']} ms, {top['rate']}/s")
    return found


def ask_all(address: str, paths: list[str]) -> float:
    """Ask for every path once or more, as fast as it goes; answers a second."""
    asked = 0.0
    left = paths
    while left:
        measured = load(address, left, TOP_SECONDS, None)
        left = left[int(measured["requests"]) :]
        asked = asked or measured["rate"]
    return asked


def draw_paths(listeners: int) -> list[str]:
    """Everybody's, in an order of chance."""
    chosen = np.random.default_rng(SEED).permutation(listeners)
    return [ROUTE.format(name_listener(int(number))) for number in chosen]


def load(address: str, paths: list[str], seconds: float, rate: float | None) -> dict[str, float]:
    """What a load generator of its own process measured; raises NocturneError if an answer was
    not 200.
    """
    parts = urlsplit(address)
    order = Order(
        host=parts.hostname or "", port=parts.port or 0, paths=paths, seconds=seconds, rate=rate
    )
    command = [sys.executable, "-P", str(Path(__file__).with_name("load.py"))]
    done = subprocess.run(
        command, input=order.model_dump_json(), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise NocturneError(f"The load generator failed: {done.stderr[-2000:]}")
    measured: dict[str, float] = json.loads(done.stdout)
    if measured["failed"]:
        raise NocturneError(f"{measured['failed']} answers of {address} were not 200.")
    return measured


def summarise(found: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
    middle = {
        way: {name: round(median(row[name] for row in rows), 2) for name in rows[0]}
        for way, rows in found.items()
    }
    ours, bare = middle["ours"], middle["bare"]
    return {
        **{name: ours[name] for name in KEYS},
        "share_of_bare": round(ours["top_rate"] / bare["top_rate"], 3),
        "bare": {name: bare[name] for name in KEYS},
        "rounds": {
            way: [[row[name] for name in KEYS] for row in rows] for way, rows in found.items()
        },
    }
