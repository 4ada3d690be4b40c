"""Serving: how soon and how many lists of recommendations, beside a route that does nothing."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
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
Figures = dict[str, float]
TRACKS = 100_000
LISTENERS_PER_TRACK = 0.1
LISTENS_PER_LISTENER = 100
RATE = 200.0
STEADY_SECONDS = 30
FRESH_SECONDS = 10
TOP_SECONDS = 8
ROUNDS = 3
KNOWN_SHARE = 0.1
FRESH_SHARE = 0.2
# Of a round's unknown listeners, so many are asked for at RATE, the others as fast as it goes.
STEADY_SHARE = 0.7
WAYS = ("ours", "bare", "cold")
KEYS = ("p50_ms", "p95_ms", "p99_ms", "top_rate")
ROUTE = "/api/v1/listeners/{}/recommendations"


@dataclass(frozen=True)
class Paths:
    """Listeners apart from each other: `fresh` are asked for first of all, `known` before the
    rounds, each part of `cold` in its round only.
    """

    fresh: list[str]
    known: list[str]
    cold: list[list[str]]


def measure(records: int, say: Say) -> dict[str, Any]:
    """Milliseconds at RATE requests a second, and the top rate with as many connections as `load`
    has. Percentiles and rates are medians of ROUNDS rounds, in which the ways take turns.

    `records` is the number of tracks, 0 for TRACKS; a tenth as many listeners. The figures without
    a name are warm: of listeners whom the process has answered before. `cold` is of listeners of
    whom it knows nothing yet, others in each round; `fresh` is of such in the first seconds of the
    process, which still reads its titles.
    """
    tracks = records or TRACKS
    listeners = max(100, round(tracks * LISTENERS_PER_TRACK))
    with own_servers(say) as settings:
        with connect(settings) as client:
            size = Size(tracks, listeners * LISTENS_PER_LISTENER, listeners)
            publish_library(client[settings.mongo_database], size)
        say(f"{tracks} tracks and {listeners} listeners published")
        log = settings.home / "web.log"
        paths = share_listeners(listeners)
        with bare_app(settings, log) as bare, web_app(settings, log) as ours:
            fresh = load(ours, paths.fresh, FRESH_SECONDS, RATE, once=True)
            say(f"fresh: p95 {fresh['p95_ms']} ms")
            load(ours, paths.known, STEADY_SECONDS, RATE, once=True)
            found = take_turns(ours, bare, paths, say)
    return {
        **summarise(found),
        "fresh": {name: fresh[name] for name in KEYS[:-1]},
        "tracks": tracks,
        "listeners": listeners,
        "rate": RATE,
    }


def share_listeners(listeners: int) -> Paths:
    """Everybody, in an order of chance."""
    chosen = np.random.default_rng(SEED).permutation(listeners)
    paths = [ROUTE.format(name_listener(int(number))) for number in chosen]
    fresh, known = round(listeners * FRESH_SHARE), round(listeners * KNOWN_SHARE)
    rest = paths[fresh + known :]
    cold = [rest[turn::ROUNDS] for turn in range(ROUNDS)]
    return Paths(paths[:fresh], paths[fresh : fresh + known], cold)


def take_turns(ours: str, bare: str, paths: Paths, say: Say) -> dict[str, list[Figures]]:
    """Of each way, the figures of its rounds; another way begins each round."""
    found: dict[str, list[Figures]] = {way: [] for way in WAYS}
    for turn in range(ROUNDS):
        first = turn % len(WAYS)
        for way in WAYS[first:] + WAYS[:first]:
            if way == "cold":
                figures = load_unknown(ours, paths.cold[turn])
            else:
                figures = load_again(*((ours, paths.known) if way == "ours" else (bare, ["/"])))
            found[way].append(figures)
            say(f"round {turn + 1}, {way}: p95 {figures['p95_ms']} ms, {figures['top_rate']}/s")
    return found


def load_again(address: str, paths: list[str]) -> Figures:
    steady = load(address, paths, STEADY_SECONDS, RATE)
    return steady | {"top_rate": load(address, paths, TOP_SECONDS, None)["rate"]}


def load_unknown(address: str, paths: list[str]) -> Figures:
    """Each path once: afterwards its listener is known."""
    steadily = round(len(paths) * STEADY_SHARE)
    steady = load(address, paths[:steadily], STEADY_SECONDS, RATE, once=True)
    top = load(address, paths[steadily:], TOP_SECONDS, None, once=True)
    return steady | {"top_rate": top["rate"]}


def load(
    address: str, paths: list[str], seconds: float, rate: float | None, once: bool = False
) -> Figures:
    """What a load generator of its own process measured; raises NocturneError if an answer was
    not 200.
    """
    parts = urlsplit(address)
    order = Order(
        host=parts.hostname or "", port=parts.port or 0, paths=paths, seconds=seconds, rate=rate,
        once=once,
    )  # fmt: skip
    command = [sys.executable, "-P", str(Path(__file__).with_name("load.py"))]
    done = subprocess.run(
        command, input=order.model_dump_json(), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise NocturneError(f"The load generator failed: {done.stderr[-2000:]}")
    measured: Figures = json.loads(done.stdout)
    if measured["failed"]:
        raise NocturneError(f"{measured['failed']} answers of {address} were not 200.")
    return measured


def summarise(found: dict[str, list[Figures]]) -> dict[str, Any]:
    middle = {
        way: {name: round(median(row[name] for row in rows), 2) for name in rows[0]}
        for way, rows in found.items()
    }
    ours, bare = middle["ours"], middle["bare"]
    return {
        **{name: ours[name] for name in KEYS},
        "share_of_bare": round(ours["top_rate"] / bare["top_rate"], 3),
        "bare": {name: bare[name] for name in KEYS},
        "cold": {name: middle["cold"][name] for name in KEYS},
        "rounds": {
            way: [[row[name] for name in KEYS] for row in rows] for way, rows in found.items()
        },
    }
