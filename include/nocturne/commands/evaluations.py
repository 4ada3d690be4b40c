"""Judging recommenders offline."""

from pathlib import Path
from typing import Annotated

import typer

from nocturne.commands.options import Json
from nocturne.errors import Misuse

app = typer.Typer()


@app.command()
def evaluate(
    interactions: Annotated[
        Path, typer.Argument(help="A file of user, item[, count][, timestamp].")
    ],
    split: Annotated[str, typer.Option(help="random (by user) or temporal.")] = "random",
    seeds: Annotated[int, typer.Option(min=1, help="Random splits to average over.")] = 3,
    as_json: Json = False,
) -> None:
    """Rank held-out interactions with what a night trains, beside popularity and chance."""
    if not interactions.is_file():
        raise Misuse(f"There is no file {interactions}.")
    from nocturne.console import print_evaluation, print_json, say
    from nocturne.offline import evaluate_file
    from nocturne.settings import load_settings

    found = evaluate_file(load_settings(), interactions, split, seeds, say)
    print_json(found) if as_json else print_evaluation(found)
