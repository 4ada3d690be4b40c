"""A load generator: as many requests a second as were asked for, or as can be answered.

Run as a program, so that it shares no interpreter with what it measures. At a fixed rate a
request's time counts from the moment it was due, not from the moment it was sent: a server that
stands still is not spared the requests that it delays.
"""

import asyncio
import json
import sys
from collections.abc import Iterator
from itertools import cycle
from time import perf_counter

import numpy as np
import uvloop
from pydantic import BaseModel

CONNECTIONS = 32
OK = b"HTTP/1.1 200"


class Order(BaseModel):
    """`rate` in requests a second, None for as many as possible; `paths` are asked for in turn,
    and each `once` only if the order says so.
    """

    host: str
    port: int
    paths: list[str]
    seconds: float
    rate: float | None
    once: bool = False


class Connection:
    """One connection, kept alive, one request at a time."""

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self.port = port

    async def open(self) -> "Connection":
        self.reader, self.writer = await asyncio.open_connection(self.host, self.port)
        return self

    async def get(self, path: str) -> bool:
        """Whether the answer was 200."""
        request = f"GET {path} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\n\r\n"
        self.writer.write(request.encode())
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
        await self.reader.readexactly(int(length))
        return head.startswith(OK)


async def run(order: Order) -> dict[str, float]:
    """Milliseconds by percentile, answers a second, and how many were not 200."""
    connections = [
        await Connection(order.host, order.port).open() for _ in range(CONNECTIONS)
    ]  # fmt: skip
    times: list[float] = []
    failed = 0
    begun = perf_counter()
    due = schedule(order, begun)
    paths = iter(order.paths) if order.once else cycle(order.paths)

    async def work(connection: Connection) -> None:
        nonlocal failed
        for moment, path in zip(due, paths, strict=False):
            start = perf_counter() if order.rate is None else moment
            if (early := start - perf_counter()) > 0:
                await asyncio.sleep(early)
            failed += not await connection.get(path)
            times.append(perf_counter() - start)

    await asyncio.gather(*map(work, connections))
    seconds = perf_counter() - begun
    for connection in connections:
        connection.writer.close()
        await connection.writer.wait_closed()
    p50, p95, p99 = np.percentile(times, [50, 95, 99]) * 1000
    return {
        "p50_ms": round(float(p50), 2),
        "p95_ms": round(float(p95), 2),
        "p99_ms": round(float(p99), 2),
        "rate": round(len(times) / seconds, 1),
        "requests": len(times),
        "failed": failed,
    }


def schedule(order: Order, begun: float) -> Iterator[float]:
    """When requests are due; the connections share it."""
    if order.rate is None:
        while perf_counter() < begun + order.seconds:
            yield begun
    else:
        for number in range(round(order.rate * order.seconds)):
            yield begun + number / order.rate


if __name__ == "__main__":
    print(json.dumps(uvloop.run(run(Order.model_validate_json(sys.stdin.read())))))  # noqa: T201
