"""What several commands share."""

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from nocturne.plain_text import clean_logs

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]


@contextmanager
def open_catalogue() -> Iterator[Any]:
    """The live version's catalogue, in this home's database."""
    from nocturne.nightly import connect_catalogue
    from nocturne.settings import load_settings

    with connect_catalogue(load_settings()) as catalogue:
        yield catalogue


def stop_when_asked() -> threading.Event:
    """Set by Ctrl-C, SIGTERM or SIGHUP: what is at hand is finished."""
    stopped = threading.Event()
    for wanted in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(wanted, lambda *_: stopped.set())
    return stopped


def log_to_stderr() -> None:
    """What long-lived commands say of themselves, with time and level."""
    form = "%(asctime)s %(levelname)s %(name)s: %(message)s"
    clean_logs()
    logging.basicConfig(level=logging.INFO, format=form, force=True)
    for noisy in ("httpx", "pymongo", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
