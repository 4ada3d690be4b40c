"""The command line: its commands, and what their failures become."""

import signal
import sys
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Annotated, Any

import typer

from nocturne.commands import audio, benches, evaluations, nights, servers, streams, web
from nocturne.errors import Misuse, NocturneError
from nocturne.plain_text import clean_logs

app = typer.Typer(
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    add_completion=False,
    pretty_exceptions_enable=False,
)
for group in (servers, nights, audio, web, streams, evaluations, benches):
    app.add_typer(group.app)


def show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"nocturne {version('nocturne')}")
        raise typer.Exit


@app.callback()
def choose(
    version: Annotated[
        bool,
        typer.Option("--version", callback=show_version, is_eager=True, help="Show it and exit."),
    ] = False,
) -> None:
    """Nocturne recommends music: Airflow, Kafka, MongoDB and Spark behind one command."""


start = partial(app, prog_name="./nocturne")


def main(command: Callable[[], Any] = start) -> None:
    """Exit 0 when done, 1 when it failed, 2 when it was misused, 128 and the number of a signal
    that ended it: what it has started is ended first.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup's children outlive terminals
            signal.signal(number, leave)
    clean_logs()
    try:
        command()
    except NocturneError as error:
        from nocturne.console import print_error

        print_error(error)
        sys.exit(2 if isinstance(error, Misuse) else 1)


def leave(number: int, _: FrameType | None) -> None:
    """Leave as by an exception, once: the second signal must not disturb what ends then."""
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    raise SystemExit(128 + number)


if __name__ == "__main__":
    main()
