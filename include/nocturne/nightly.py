"""The commands that run nights: start the stack, ask Airflow, follow, read what was published.

What only running a night needs is loaded by the functions that run one: commands that read what
was published come through here too.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nocturne.errors import Misuse, NocturneError, ServiceUnavailable
from nocturne.nights import Night, last_complete_night, night_of, parse_day, require_over
from nocturne.settings import Settings
from nocturne.stack.services import find_services

if TYPE_CHECKING:
    from pymongo import MongoClient

    from nocturne.recommend.lookup import Catalogue

Say = Callable[[str], None]
Confirm = Callable[[str], bool]
STOP_RUN = "in Airflow mark the run as failed, which ends it"
STOP_BACKFILL = "in Airflow cancel the backfill, which ends what has not begun"
MOST_NIGHTS = 366
"""Of one backfill: Airflow makes a run for each at once, and a mistyped year is thousands."""
PATIENCE_SECONDS = 4
"""How long a command waits for a MongoDB that does not answer."""
SHOWN_TRACKS = 4
SHOWN_NEIGHBOURS = 3


def run_night(
    settings: Settings,
    audio: Path | None,
    metadata: Path | None,
    date: str | None,
    say: Say,
    confirm: Confirm,
) -> dict[str, Any]:
    """One real run of the nightly DAG on a library, or on the sample, and what it published.

    `confirm` is asked whether another library that is live may be replaced. Raises NocturneError
    with the last words of the tasks that failed.
    """
    from nocturne.console import task_progress
    from nocturne.stack.airflow_runs import NIGHTLY, follow_run, require_success, start_night
    from nocturne.stack.stack import bring_up, connect_airflow
    from nocturne.store.versions import live_version

    night = complete_night(date) if date else last_complete_night(datetime.now(UTC))
    conf = choose_library(settings, audio, metadata, night, say)
    settings = bring_up(settings, say)
    if audio and metadata:
        conf["replace_library"] = ask_to_replace(settings, audio, metadata, night, confirm)
    with connect_airflow(settings) as api:
        say(f"running {NIGHTLY} for the night of {night.data_date}")
        run_id = start_night(api, night, conf)
        with task_progress() as watch, tell_what_goes_on(f"run {run_id}", STOP_RUN):
            finished = follow_run(api, NIGHTLY, run_id, watch)
        require_success(api, finished)
    with connect_catalogue(settings) as catalogue:
        shown = catalogue.some(SHOWN_TRACKS, SHOWN_NEIGHBOURS)
        live = live_version(catalogue.database)
    return {
        "run_id": run_id,
        "version": live["version"] if live else None,
        "tasks": [asdict(task) for task in finished.tasks],
        "similar_tracks": [asdict(item) for item in shown],
        "airflow": describe_login(settings),
    }


def ask_to_replace(
    settings: Settings, audio: Path, metadata: Path, night: Night, confirm: Confirm
) -> bool:
    """May the live version of another library be replaced? False if there is none.

    Raises Misuse if not: then nothing is run.
    """
    from nocturne.recommend.candidates import find_replaced
    from nocturne.steps.library import name_library

    library = name_library(audio, metadata)
    planned = {"library": library, "data_date": night.data_date, "state": "candidate"}
    with connect_catalogue(settings) as catalogue:
        replaced = find_replaced(catalogue.database, planned)
    if replaced is None:
        return False
    if not confirm(f"{replaced} of another library is live. Replace it, for everybody?"):
        raise Misuse(
            f"{replaced} of another library is live, and {audio} would replace it for everybody:"
            " `--yes` allows that. Nothing was run."
        )
    return True


@contextmanager
def tell_what_goes_on(what: str, how_to_stop: str) -> Iterator[None]:
    """Ctrl-C ends the watching alone. Raises NocturneError that says so."""
    try:
        yield
    except KeyboardInterrupt as interrupt:
        raise NocturneError(
            f"You have stopped watching; {what} goes on in Airflow, and what it makes may go live."
            f" To stop it: {how_to_stop}, or `./nocturne down` stops everything."
        ) from interrupt


def complete_night(day: str) -> Night:
    """The night of a day as in 2026-11-19.

    Raises Misuse if it is not over: Airflow would wait for it, or publish half a day as a whole.
    """
    night = night_of(parse_day(day))
    require_over(night, datetime.now(UTC))
    return night


def choose_library(
    settings: Settings, audio: Path | None, metadata: Path | None, night: Night, say: Say
) -> dict[str, Any]:
    """The DAG's parameters for a library; without one, the sample is made if it is not there, while
    set-up waits for the network.
    """
    from nocturne.stack.setup import set_up

    if audio and metadata:
        for folder in (audio, metadata):
            if not folder.is_dir():
                raise Misuse(f"{folder} is not a folder.")
        return {
            "audio_folder": str(audio.absolute()),
            "metadata_folder": str(metadata.absolute()),
        }
    if settings.audio_dir is None and settings.metadata_dir is None:
        with ThreadPoolExecutor(1) as pool:
            ready = pool.submit(set_up, settings, say)
            make_sample(settings, night, say)
            ready.result()
    return {}


def make_sample(settings: Settings, night: Night, say: Say) -> None:
    from nocturne.console import count_progress
    from nocturne.sample.library import ensure_sample

    say(f"the sample library, in {settings.sample_dir}")
    settings.home.mkdir(parents=True, exist_ok=True)
    with count_progress("tracks synthesised") as on_track:
        ensure_sample(settings.sample_dir, night.start.date(), on_track)


def describe_login(settings: Settings) -> dict[str, str]:
    """Where the Airflow UI is, and how to log in."""
    from nocturne.stack.airflow import ADMIN
    from nocturne.stack.passwords import ensure_passwords

    return {
        "url": settings.airflow_url,
        "user": ADMIN,
        "password": ensure_passwords(settings.stack_dir).airflow_admin,
    }


def backfill_nights(settings: Settings, first: str, last: str, say: Say) -> dict[str, str]:
    """Backfill the nights from the first day to the last; each run's final state.

    Raises NocturneError with the last words of the tasks of the first night that failed.
    """
    from nocturne.stack.stack import bring_up

    start, end = complete_night(first), complete_night(last)
    if start.start > end.start:
        raise Misuse(f"{first} is after {last}.")
    nights = (end.start - start.start).days + 1
    if nights > MOST_NIGHTS:
        raise Misuse(
            f"{first} to {last} are {nights} nights; one backfill takes {MOST_NIGHTS}. If that is"
            " no slip, ask for them in parts."
        )
    return follow_nights(bring_up(settings, say), start, end)


def follow_nights(settings: Settings, start: Night, end: Night) -> dict[str, str]:
    """Have Airflow backfill these nights, and say how each goes."""
    from nocturne.console import err
    from nocturne.stack.airflow_runs import (
        NIGHTLY,
        find_run,
        follow_backfill,
        require_success,
        start_backfill,
    )
    from nocturne.stack.stack import connect_airflow

    with connect_airflow(settings) as api:
        backfill = start_backfill(api, start, end)
        shown: dict[str, str] = {}
        with tell_what_goes_on(f"backfill {backfill}", STOP_BACKFILL):
            for runs in follow_backfill(api, backfill, start, end):
                for run_id, state in runs.items() - shown.items():
                    err.print(f"  {run_id} {state}", markup=False)
                shown = runs
        for run_id in [name for name, state in shown.items() if state == "failed"]:
            require_success(api, find_run(api, NIGHTLY, run_id))
    return shown


@contextmanager
def connect_catalogue(settings: Settings) -> "Iterator[Catalogue]":
    """The catalogue of this home's MongoDB, or of the one that the settings name."""
    settings = find_services(settings)
    if not settings.mongo_uri:
        raise Misuse(
            "There is no MongoDB yet: `./nocturne run` starts it, or set NOCTURNE_MONGO_URI."
        )
    from nocturne.recommend.lookup import Catalogue
    from nocturne.store.collections import connect

    with connect(settings, PATIENCE_SECONDS) as client:
        require_answer(client, settings.mongo_uri)
        yield Catalogue(client[settings.mongo_database], settings.tracks_collection)


def require_answer(client: "MongoClient[dict[str, Any]]", uri: str) -> None:
    """Raise ServiceUnavailable unless a primary that takes the login answers."""
    from pymongo.errors import PyMongoError

    try:
        client.admin.command("ping")
    except PyMongoError as error:
        raise ServiceUnavailable(
            f"MongoDB at {uri.rpartition('@')[2]} does not answer, or refuses the login:"
            " `./nocturne status` tells how the servers are, `./nocturne up` starts them."
        ) from error
