"""Benches: our speed beside our peers', in one run."""

from typing import Annotated

import typer

from nocturne.commands.options import Json

app = typer.Typer()


@app.command()
def bench(
    name: Annotated[
        str,
        typer.Argument(
            help="ingest, faults, features, neighbours, retrain, kills, serving or freshness."
        ),
    ],
    records: Annotated[
        int | None, typer.Option(min=1, help="How many; default: the bench's own.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Measure one part beside its peers, on servers of its own."""
    from nocturne.bench.benches import run_bench
    from nocturne.console import print_bench, print_json, say

    result = run_bench(name, records or 0, say)
    print_json(result) if as_json else print_bench(result)
