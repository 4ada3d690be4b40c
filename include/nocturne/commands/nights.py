"""Commands about nights, and what they published."""

import sys
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from nocturne.commands.options import Json, open_catalogue
from nocturne.errors import Misuse

app = typer.Typer()
Day = Annotated[str, typer.Argument(help="A day of data, as in 2026-11-01.")]


@app.command()
def run(
    audio: Annotated[Path | None, typer.Option(help="Folder of audio files.")] = None,
    metadata: Annotated[Path | None, typer.Option(help="Folder of FMA-like CSV files.")] = None,
    date: Annotated[str | None, typer.Option(help="Day of data; default: the last night.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Replace another library.")] = False,
    as_json: Json = False,
) -> None:
    """Run the nightly DAG once through Airflow, then show what it published."""
    if (audio is None) != (metadata is None):
        raise Misuse("Give both --audio and --metadata, or neither for the sample library.")
    from nocturne.console import say
    from nocturne.nightly import run_night
    from nocturne.settings import load_settings

    confirm = partial(confirm_on_terminal, yes)
    show_run(run_night(load_settings(), audio, metadata, date, say, confirm), as_json)


@app.command()
def backfill(first: Day, last: Day, as_json: Json = False) -> None:
    """Run the nightly DAG for every night from FIRST to LAST, through an Airflow backfill."""
    from nocturne.console import print_json, say
    from nocturne.nightly import backfill_nights
    from nocturne.settings import load_settings

    runs = backfill_nights(load_settings(), first, last, say)
    if as_json:
        print_json(runs)


@app.command()
def recommend(
    track: Annotated[str | None, typer.Option(help="Track id.")] = None,
    user: Annotated[str | None, typer.Option(help="Listener id.")] = None,
    song: Annotated[str | None, typer.Option(help="Title, misspelt or not.")] = None,
    artist: Annotated[str | None, typer.Option(help="Artist, beside --song.")] = None,
    count: Annotated[int, typer.Option("-n", min=1, max=1000, help="How many tracks.")] = 10,
    as_json: Json = False,
) -> None:
    """The tracks nearest to one, or those for a listener, from the live version."""
    if [track, user, song].count(None) != 2:
        raise Misuse(
            "Give one: --track ID, --user ID, or --song TITLE with or without --artist NAME."
        )
    from dataclasses import asdict

    from nocturne.console import print_for_listener, print_json, print_similar, say

    with open_catalogue() as catalogue:
        if user is not None:
            listed = asdict(catalogue.for_listener(user, count))
            print_json(listed) if as_json else print_for_listener(listed)
            return
        if track is None:
            meant = catalogue.find_track(song or "", artist)
            track = meant.track_id
            if meant.guess:
                say(meant.guess)
        found = asdict(catalogue.similar(track, count))
    print_json(found) if as_json else print_similar([found])


@app.command()
def versions(as_json: Json = False) -> None:
    """All versions with their state; the live one is marked."""
    from nocturne.console import print_json, print_versions

    with open_catalogue() as catalogue:
        from nocturne.store.versions import list_versions

        found = list_versions(catalogue.database)
    print_json(found) if as_json else print_versions(found)


@app.command()
def rollback(
    version: Annotated[str | None, typer.Argument(help="Default: the last.")] = None,
) -> None:
    """Make an earlier version live again."""
    from nocturne.console import out

    with open_catalogue() as catalogue:
        from nocturne.store.versions import roll_back

        name = catalogue.database.name
        out.print(f"{roll_back(catalogue.database.client, name, version)} is live")


@app.command("live-at")
def live_at(
    time: Annotated[str, typer.Argument(help="RFC 3339, as in 2026-11-19T08:00:00Z.")],
    as_json: Json = False,
) -> None:
    """Which version was live at a moment."""
    from nocturne.console import out, print_json
    from nocturne.nights import parse_past_moment

    moment = parse_past_moment(time)
    with open_catalogue() as catalogue:
        from nocturne.store.versions import live_at as find_live

        entry = find_live(catalogue.database, moment)
    if as_json:
        print_json(entry)
    else:
        out.print(entry["version"] if entry else "nothing was live then")


def confirm_on_terminal(yes: bool, question: str) -> bool:
    """Without a terminal nobody can be asked: only `--yes` is one."""
    return yes or (sys.stdin.isatty() and typer.confirm(question, err=True))


def show_run(result: dict[str, Any], as_json: bool) -> None:
    from nocturne.console import print_json, print_run

    print_json(result) if as_json else print_run(result)
