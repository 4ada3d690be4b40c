"""What several commands share."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]


@contextmanager
def open_catalogue() -> Iterator[Any]:
    """The live version's catalogue, in this home's database."""
    from nocturne.nightly import connect_catalogue
    from nocturne.settings import load_settings

    with connect_catalogue(load_settings()) as catalogue:
        yield catalogue


def stop_when_asked() -> threading.Event:
    """Set by Ctrl-C or SIGTERM: what is at hand is finished."""
    stopped = threading.Event()
    for wanted in (signal.SIGINT, signal.SIGTERM):
        signal.signal(wanted, lambda *_: stopped.set())
    return stopped
