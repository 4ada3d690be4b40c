"""Commands about the embedded servers, and the tests that use them."""

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from nocturne.commands.options import Json

if TYPE_CHECKING:
    from nocturne.settings import Settings

app = typer.Typer()


@app.command()
def setup() -> None:
    """Fetch what the embedded servers need: Java, jars, MongoDB. Done by every later command."""
    from nocturne.console import say
    from nocturne.settings import load_settings
    from nocturne.stack.setup import set_up

    set_up(load_settings(), say)


@app.command()
def up(as_json: Json = False) -> None:
    """Start the embedded Kafka, MongoDB and Airflow, and wait until they are healthy."""
    from nocturne.console import say
    from nocturne.settings import load_settings
    from nocturne.stack.stack import bring_up

    bring_up(load_settings(), say)
    show_status(as_json)


@app.command()
def down() -> None:
    """Stop every process of the stack."""
    from nocturne.settings import load_settings
    from nocturne.stack.stack import bring_down

    bring_down(load_settings())


@app.command()
def status(as_json: Json = False) -> None:
    """What runs, how it is, and where it is reached; exit code 1 if something is not healthy."""
    if not show_status(as_json):
        raise typer.Exit(1)


@app.command()
def logs(
    name: Annotated[str, typer.Argument(help="kafka, mongo, airflow-scheduler, …")] = "",
    lines: Annotated[int, typer.Option("-n", min=1, max=100_000, help="Lines from the end.")] = 50,
) -> None:
    """Print the last lines of a server's log; without a name, of all."""
    from nocturne.console import print_log
    from nocturne.settings import load_settings
    from nocturne.stack.logs import tail_logs

    for file, text in tail_logs(load_settings().stack_dir, name, lines):
        print_log(file, text)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def test(context: typer.Context) -> None:
    """Run every test, on servers of its own beside what runs already. Takes pytest's arguments."""
    from nocturne.settings import PROJECT
    from nocturne.suite.whole import is_whole, run_suite

    os.chdir(PROJECT)
    if is_whole(context.args):
        raise typer.Exit(run_suite(context.args))
    os.execv(sys.executable, [sys.executable, "-m", "pytest", *context.args])  # noqa: S606


def show_status(as_json: bool) -> bool:
    from dataclasses import asdict

    from nocturne.console import out, print_json, print_status
    from nocturne.settings import load_settings
    from nocturne.stack.services import find_services
    from nocturne.stack.stack import read_status

    settings = find_services(load_settings())
    found = read_status(settings)
    refused = read_refused_nights(settings) if found.healthy.get("mongo") else None
    if as_json:
        print_json(asdict(found) | ({"refused_nights": refused} if refused else {}))
    else:
        print_status(found)
        if refused:
            out.print(refused, style="red", markup=False)
    return found.running and all(found.healthy.values())


def read_refused_nights(settings: "Settings") -> str | None:
    from nocturne.nightly import connect_catalogue
    from nocturne.store.refused_nights import describe_refused_nights

    with connect_catalogue(settings) as catalogue:
        return describe_refused_nights(catalogue.database)
