"""The command line: its commands, and what their failures become."""

import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import typer

from nocturne.commands import audio, benches, evaluations, nights, servers, streams, web
from nocturne.errors import Misuse, NocturneError

app = typer.Typer(
    help="Nocturne recommends music: Airflow, Kafka, MongoDB and Spark behind one command.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for group in (servers, nights, audio, web, streams, evaluations, benches):
    app.add_typer(group.app)
start = partial(app, prog_name="./nocturne")


def main(command: Callable[[], Any] = start) -> None:
    """Exit 0 when done, 1 when it failed, 2 when it was misused."""
    try:
        command()
    except NocturneError as error:
        from nocturne.console import print_error

        print_error(error)
        sys.exit(2 if isinstance(error, Misuse) else 1)


if __name__ == "__main__":
    main()
