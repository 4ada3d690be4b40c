"""The web app and its like as processes of a bench."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

import httpx

from nocturne.errors import NocturneError
from nocturne.settings import Settings
from nocturne.stack.ports import HOST, find_free_port
from nocturne.stack.stack import settings_environment

ENOUGH_REQUESTS = 100_000_000
START_SECONDS = 180
STOP_SECONDS = 20


@contextmanager
def running(command: Sequence[str], settings: Settings, log: Path) -> Iterator[None]:
    environment = {**os.environ, **settings_environment(settings)}
    with log.open("ab") as errors:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", *command], env=environment, stderr=errors, stdout=errors
        )
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def web_app(settings: Settings, log: Path) -> Iterator[str]:
    """`./nocturne serve` on a free port, without a rate limit; its address."""
    changes = {"web_port": find_free_port(set()), "web_requests": ENOUGH_REQUESTS}
    changed = settings.model_copy(update=changes)
    address = f"http://{HOST}:{changed.web_port}"
    with running(["nocturne.cli", "serve"], changed, log):
        wait_for(f"{address}/health/ready", log)
        yield address


@contextmanager
def bare_app(settings: Settings, log: Path) -> Iterator[str]:
    """A route that does nothing, served in the same way."""
    port = find_free_port(set())
    address = f"http://{HOST}:{port}"
    options = ["--host", HOST, "--port", str(port)]
    with running(["uvicorn", "nocturne.bench.bare:app", *options], settings, log):
        wait_for(f"{address}/", log)
        yield address


def wait_for(address: str, log: Path) -> None:
    deadline = monotonic() + START_SECONDS
    while monotonic() < deadline:
        try:
            if httpx.get(address, timeout=5).is_success:
                return
        except httpx.TransportError:
            pass
        sleep(0.2)
    raise NocturneError(f"{address} did not answer in time: {log.read_text('utf-8')[-2000:]}")
