"""The parts of the serving bench that need no server."""

import asyncio

import pytest

from nocturne.bench import serving
from nocturne.bench.load import CONNECTIONS, Order, run
from nocturne.bench.serving import KEYS, ROUNDS, WAYS, share_listeners, summarise, take_turns

FIGURES = {"p50_ms": 1.0, "p95_ms": 2.0, "p99_ms": 3.0, "rate": 200.0}


@pytest.mark.parametrize("listeners", [100, 2000])
def test_every_listener_has_one_part(listeners):
    paths = share_listeners(listeners)
    parts = [paths.fresh, paths.known, *paths.cold]
    assert len(paths.cold) == ROUNDS
    assert all(parts)
    every = [path for part in parts for path in part]
    assert len(every) == len(set(every)) == listeners


def test_another_way_begins_each_round_and_nobody_unknown_is_asked_twice(monkeypatch):
    asked = []

    def load(address, paths, seconds, rate, once=False):
        asked.append((address, paths, rate, once))
        return FIGURES

    monkeypatch.setattr(serving, "load", load)
    said = []
    paths = share_listeners(100)
    found = take_turns("ours", "bare", paths, said.append)
    assert {way: len(rounds) for way, rounds in found.items()} == dict.fromkeys(WAYS, ROUNDS)
    order = [line.partition(", ")[2].partition(":")[0] for line in said]
    assert order == ["ours", "bare", "cold", "bare", "cold", "ours", "cold", "ours", "bare"]
    unknown = [path for _, some, _, once in asked if once for path in some]
    assert sorted(unknown) == sorted(path for part in paths.cold for path in part)
    again = [(address, some) for address, some, _, once in asked if not once]
    assert all(some == (["/"] if address == "bare" else paths.known) for address, some in again)


def test_figures_without_a_name_are_warm_and_medians():
    rows = {
        way: [dict.fromkeys(KEYS, float(times * turn)) for turn in (1, 9, 2)]
        for times, way in enumerate(WAYS, start=1)
    }
    found = summarise(rows)
    assert (found["p95_ms"], found["bare"]["p95_ms"], found["cold"]["p95_ms"]) == (2.0, 4.0, 6.0)
    assert found["share_of_bare"] == 0.5
    assert found["rounds"]["cold"][1] == [27.0] * len(KEYS)


def ask(paths, **order):
    """What the load generator asks a server that answers everything, and what it measures."""
    asked, handlers = [], []

    async def answer(reader, writer):
        handlers.append(asyncio.current_task())
        while head := await reader.readline():
            asked.append(head.split()[1].decode())
            while await reader.readline() != b"\r\n":
                pass
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    async def measure():
        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            measured = await run(Order(host="127.0.0.1", port=port, paths=paths, **order))
            await asyncio.gather(*handlers)
            return measured

    return asked, asyncio.run(measure())


@pytest.mark.parametrize("rate", [None, 1000.0])
def test_once_asks_for_each_path_once(rate):
    paths = [f"/{number}" for number in range(2 * CONNECTIONS + 1)]
    asked, measured = ask(paths, seconds=60, rate=rate, once=True)
    assert sorted(asked) == sorted(paths)
    assert (measured["requests"], measured["failed"]) == (len(paths), 0)


def test_else_paths_are_asked_for_again_until_the_time_is_over():
    asked, measured = ask(["/a", "/b"], seconds=0.1, rate=200)
    assert measured["requests"] == 20
    assert asked.count("/a") == asked.count("/b") == 10
