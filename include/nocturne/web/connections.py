"""Connections to clients: only so many, and none for a client that never says what it wants."""

import asyncio
import logging
import resource
import socket
from time import monotonic

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

log = logging.getLogger(__name__)
REQUEST_SECONDS = 20.0
"""From the first byte, or from connecting, to a whole request, which has at most a megabyte."""
UNREAD_SECONDS = 60
"""So long may an answer lie unread; the kernel counts."""
WANTED_FILES = 16_384
RESERVED_FILES = 200
"""Files for other things than clients: databases, brokers, audio that is sent."""
SAY_SECONDS = 10.0
TIMED_OUT = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class Dropped:
    """Says now and then who was dropped, not each time: they may be thousands."""

    def __init__(self) -> None:
        self.count = 0
        self.said_at = float("-inf")

    def note(self, why: str, client: tuple[str, int] | None) -> None:
        self.count += 1
        if monotonic() - self.said_at > SAY_SECONDS:
            self.said_at = monotonic()
            log.warning("Dropped %s, %s; %d so far", client and client[0], why, self.count)


DROPPED = Dropped()


class GuardedProtocol(HttpToolsProtocol):
    """uvicorn's, with a limit of connections and of time for each request.

    uvicorn itself limits only the time between requests.
    """

    most_connections = 1000
    request_seconds = REQUEST_SECONDS
    deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self.most_connections:
            DROPPED.note(f"{self.most_connections} others are connected", self.client)
            transport.abort()
        else:
            self.set_deadline()

    def set_deadline(self) -> None:
        self.unset_deadline()
        self.deadline = self.loop.call_later(self.request_seconds, self.drop)

    def unset_deadline(self) -> None:
        if self.deadline is not None:
            self.deadline.cancel()
            self.deadline = None

    def drop(self) -> None:
        DROPPED.note(f"no whole request came in {self.request_seconds:g} s", self.client)
        if self.cycle is None or self.cycle.response_complete:
            self.transport.write(TIMED_OUT)
        self.transport.close()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.set_deadline()

    def on_message_complete(self) -> None:
        self.unset_deadline()
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self.unset_deadline()
        super().connection_lost(exc)


def limit_connections() -> type[GuardedProtocol]:
    """The protocol, for as many connections as this process may have; their number is raised as
    far as the system lets it.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = max(soft, WANTED_FILES if hard == resource.RLIM_INFINITY else min(WANTED_FILES, hard))
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))

    class Protocol(GuardedProtocol):
        most_connections = max(files - RESERVED_FILES, files // 2)

    return Protocol


def watch_clients(listening: socket.socket) -> None:
    """Let the kernel end what its clients left without a word, or do not read."""
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, UNREAD_SECONDS)
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_SECONDS * 1000)
