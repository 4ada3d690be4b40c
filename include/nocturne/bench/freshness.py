"""Freshness: how soon after an event a listener's page has its new list, and whether the lists are
right.
"""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import perf_counter
from typing import Any

import httpx
import numpy as np

from nocturne.bench.catalogue_records import SEED, Size
from nocturne.bench.published_library import name_listener, publish_library
from nocturne.bench.servers import own_servers
from nocturne.bench.web_processes import running, web_app
from nocturne.errors import NocturneError
from nocturne.store.collections import connect

Say = Callable[[str], None]
TRACKS = 5_000
LISTENERS = 100
LISTENS_PER_LISTENER = 20
LISTS = 10_000
# Of all listeners together: each does something every other second, more than people do.
EVENTS_PER_SECOND = 50.0
LONGEST_WAIT_SECONDS = 30
ACTIONS = ("listen", "like", "skip", "hide")
SHARES = (0.6, 0.2, 0.15, 0.05)
API = "/api/v1"


@dataclass
class Watch:
    """What one listener's page has seen; `left_out` are the tracks that it must not show again."""

    user_id: str
    rng: np.random.Generator
    left_out: set[str] = field(default_factory=set)
    lists: int = 0
    repeats: int = 0
    milliseconds: list[float] = field(default_factory=list)

    def look(self, shown: list[str]) -> None:
        self.lists += 1
        wrong = len(set(shown)) < len(shown) or bool(self.left_out.intersection(shown))
        self.repeats += wrong


def measure(records: int, say: Say) -> dict[str, Any]:
    """Milliseconds from the posting of an event to the new list on the listener's stream.

    `records` is how many lists are waited for, 0 for LISTS. LISTENERS pages are open at once;
    each does something with a track that it is shown, and waits for the list that comes of it.
    `repeats` counts lists that hold a track twice, or one that the listener has heard, liked,
    skipped or hidden since the bench began.
    """
    lists = records or LISTS
    with own_servers(say) as settings:
        with connect(settings) as client:
            size = Size(TRACKS, LISTENERS * LISTENS_PER_LISTENER, LISTENERS)
            publish_library(client[settings.mongo_database], size)
        log = settings.home / "web.log"
        with web_app(settings, log) as address, running(["nocturne.cli", "live"], settings, log):
            say(f"{LISTENERS} listeners, {lists} lists")
            watches, seconds = asyncio.run(watch_all(address, lists))
    times = np.concatenate([watch.milliseconds for watch in watches])
    p50, p95, p99 = np.percentile(times, [50, 95, 99])
    return {
        "p50_ms": round(float(p50), 1),
        "p95_ms": round(float(p95), 1),
        "p99_ms": round(float(p99), 1),
        "max_ms": round(float(times.max()), 1),
        "repeats": sum(watch.repeats for watch in watches),
        "lists": sum(watch.lists for watch in watches),
        "listeners": LISTENERS,
        "events_per_second": round(len(times) / seconds, 1),
    }


async def watch_all(address: str, lists: int) -> tuple[list[Watch], float]:
    """The watches, and how many seconds they took."""
    watches = [
        Watch(name_listener(number), np.random.default_rng([SEED, 20, number]))
        for number in range(LISTENERS)
    ]
    limits = httpx.Limits(max_connections=3 * LISTENERS)
    timeout = httpx.Timeout(LONGEST_WAIT_SECONDS)
    async with httpx.AsyncClient(base_url=address, limits=limits, timeout=timeout) as client:
        await warm_up(client, name_listener(LISTENERS))
        begun = perf_counter()
        each = -(-lists // LISTENERS)
        await asyncio.gather(*(listen(client, watch, each) for watch in watches))
        return watches, perf_counter() - begun


async def warm_up(client: httpx.AsyncClient, user_id: str) -> None:
    """Until the live recommender answers somebody else."""
    watch = Watch(user_id, np.random.default_rng(SEED))
    async with open_stream(client, user_id) as stream:
        shown = await anext(stream)
        await act(client, watch, shown["tracks"][0]["track_id"])
        await anext(stream)


async def listen(client: httpx.AsyncClient, watch: Watch, lists: int) -> None:
    pause = LISTENERS / EVENTS_PER_SECOND
    async with open_stream(client, watch.user_id) as stream:
        shown = await anext(stream)
        await asyncio.sleep(pause * watch.rng.random())
        for _ in range(lists):
            tracks = [track["track_id"] for track in shown["tracks"]]
            begun = perf_counter()
            await act(client, watch, str(watch.rng.choice(tracks)))
            newer = await anext(stream)
            watch.milliseconds.append((perf_counter() - begun) * 1000)
            if newer["seq"] != shown["seq"] + 1:
                raise NocturneError(f"{watch.user_id}: list {newer['seq']} after {shown['seq']}.")
            shown = newer
            watch.look([track["track_id"] for track in shown["tracks"]])
            await asyncio.sleep(max(0.0, begun + pause - perf_counter()))


async def act(client: httpx.AsyncClient, watch: Watch, track_id: str) -> None:
    watch.left_out.add(track_id)
    event = {
        "schema": 1,
        "event_id": str(uuid.uuid4()),
        "user_id": watch.user_id,
        "track_id": track_id,
        "action": str(watch.rng.choice(ACTIONS, p=SHARES)),
        "at": datetime.now(UTC).isoformat(),
        "ms_played": 1000,
    }
    answer = await client.post(f"{API}/events", json=[event])
    answer.raise_for_status()


@asynccontextmanager
async def open_stream(
    client: httpx.AsyncClient, user_id: str
) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
    """The lists of a listener's page, the one of now first."""
    async with client.stream("GET", f"{API}/listeners/{user_id}/stream") as answer:
        answer.raise_for_status()
        yield read_events(answer.aiter_lines())


async def read_events(lines: AsyncIterator[str]) -> AsyncIterator[dict[str, Any]]:
    """The lists among the events of a stream."""
    kind = ""
    async for line in lines:
        if line.startswith("event: "):
            kind = line.removeprefix("event: ")
        elif line.startswith("data: ") and kind == "recommendations":
            yield json.loads(line.removeprefix("data: "))
    raise NocturneError("The stream of a page has ended.")
