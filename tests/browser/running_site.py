"""The web app and the live recommender as programs."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Thread
from typing import IO
from urllib.parse import quote

ADDRESS = r"the pages: (http://\S+:(\d+))"
START_SECONDS = 30


def start(variables: dict[str, str], *command: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "nocturne.cli", *command],
        env={**os.environ, **variables},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def read_until(process: subprocess.Popen, pattern: str) -> re.Match[str]:
    """The first line of its stderr that matches; what comes after is read and forgotten, for a
    pipe that nobody reads would hold the process up.
    """
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if found := re.search(pattern, line):
            Thread(target=forget_rest, args=[process.stderr], daemon=True).start()
            return found
    raise AssertionError("".join(said))


def forget_rest(said: IO[str]) -> None:
    with said:
        for _ in said:
            pass


def wait_for_port(port: int) -> None:
    """The address is said before anybody listens there."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            return


def end(process: subprocess.Popen, how: signal.Signals) -> None:
    process.send_signal(how)
    process.wait(30)


@contextmanager
def serving(variables: dict[str, str], *options: str) -> Iterator[str]:
    """The app at work; its address."""
    server = start(variables, "serve", "--port", "0", *options)
    try:
        found = read_until(server, ADDRESS)
        wait_for_port(int(found[2]))
        yield found[1]
    finally:
        end(server, signal.SIGTERM)


@dataclass
class Served:
    """The app at work; `ann` and `bob` are listeners whom the library knows."""

    address: str
    ann: str
    bob: str
    variables: dict[str, str]
    recommender: subprocess.Popen | None = field(default=None)

    def home(self, listener: str) -> str:
        return f"{self.address}/?listener={quote(listener)}"

    def start_recommender(self) -> None:
        self.recommender = start(self.variables, "live")
        read_until(self.recommender, "following user_activity")

    def end_recommender(self, how: signal.Signals = signal.SIGKILL) -> None:
        assert self.recommender is not None
        end(self.recommender, how)
        self.recommender = None
