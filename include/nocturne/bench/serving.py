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
ROUTE = "/api/v1/listeners/{}/recommendations"


def measure(records: int, say: Say) -> dict[str, Any]:
    """Milliseconds at RATE requests a second, each for a listener drawn anew, and the top rate
    with as many connections as `load` has.

    `records` is the number of tracks, 0 for TRACKS; a tenth as many listeners. ROUNDS rounds, in
    each of which the bare route has its turn; percentiles and rates are medians. The first round
    finds nothing in the app's memory; its figures stand apart too, as `first`.
    """
    tracks = records or TRACKS
    listeners = max(100, round(tracks * LISTENERS_PER_TRACK))
    with own_servers(say) as settings:
        with connect(settings) as client:
            size = Size(tracks, listeners * LISTENS_PER_LISTENER, listeners)
            publish_library(client[settings.mongo_database], size)
        say(f"{tracks} tracks and {listeners} listeners published")
        paths = draw_paths(listeners)
        found: dict[str, list[dict[str, float]]] = {}
        log = settings.home / "web.log"
        with web_app(settings, log) as ours, bare_app(settings, log) as bare:
            for turn in range(1, ROUNDS + 1):
                for name, address, asked in (("ours", ours, paths), ("bare", bare, ["/"])):
                    steady = load(address, asked, STEADY_SECONDS, RATE)
                    top = load(address, asked, TOP_SECONDS, None)
                    found.setdefault(name, []).append(steady | {"top_rate": top["rate"]})
                    say(f"round {turn}, {name}: p95 {steady['p95_ms']} ms, {top['rate']}/s")
    return summarise(found) | {"tracks": tracks, "listeners": listeners, "rate": RATE}


def draw_paths(listeners: int) -> list[str]:
    chosen = np.random.default_rng(SEED).integers(listeners, size=20_000)
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
    keys = ("p50_ms", "p95_ms", "p99_ms", "top_rate")
    return {
        **{name: ours[name] for name in keys},
        "share_of_bare": round(ours["top_rate"] / bare["top_rate"], 3),
        "bare": {name: bare[name] for name in keys},
        "first": {name: found["ours"][0][name] for name in keys},
        "rounds": {
            way: [[row[name] for name in keys] for row in rows] for way, rows in found.items()
        },
    }
