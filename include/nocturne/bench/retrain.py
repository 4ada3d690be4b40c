"""Retraining at FMA's size: seconds and memory of a night after loading, and how both grow."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from time import perf_counter
from typing import Any

from pymongo import MongoClient
from pymongo.database import Database

from nocturne.bench.catalogue_records import FULL_TRACKS, Size, fill_library, scale
from nocturne.bench.process_tree import Peak, kill_session, watching
from nocturne.bench.retraining import SEARCH, STEPS, land_filled
from nocturne.bench.servers import own_servers
from nocturne.bench.sweep_peer import sweep_by_sklearn
from nocturne.errors import Misuse, NocturneError
from nocturne.recommend.candidates import ModelFolder
from nocturne.settings import Settings
from nocturne.stack.stack import settings_environment
from nocturne.stack.supervise import Supervisor
from nocturne.store.collections import connect
from nocturne.store.versions import TABLES, of_version, require_version, roll_back

Say = Callable[[str], None]
Document = dict[str, Any]
LAST_DAY = date(2026, 11, 19)
ROLLBACKS = 5
GIB = 2**30
SHOWN_CHARACTERS = 3000
FEWEST_TRACKS = 4000
"""A hundredth of fewer is no library that a night would publish."""


@dataclass(frozen=True)
class StepEnded:
    """`seconds` are those of its process, start and imports included; `within` what it said."""

    seconds: float
    within: float
    version: str
    peak: Peak


@dataclass(frozen=True)
class Night:
    """All steps of a library's night; `search_seconds` are the part of `build` that compares every
    track with every other.
    """

    size: Size
    version: str
    seconds: Mapping[str, float]
    peaks: Mapping[str, Peak]
    search_seconds: float

    def total(self) -> float:
        return sum(self.seconds.values())

    def without_search(self) -> float:
        return self.total() - self.search_seconds


def list_sizes(tracks: int) -> tuple[int, int, int]:
    """A hundredth, whose cost is nearly all start-up, a tenth and the whole."""
    return max(tracks // 100, FEWEST_TRACKS // 20), tracks // 10, tracks


def measure(records: int, say: Say) -> dict[str, Any]:
    """The figures for so many tracks, 0 for FMA's, on servers of its own.

    Raises Misuse if they are fewer than FEWEST_TRACKS.
    """
    tracks = choose_tracks(records)
    with own_servers(say) as settings, connect(settings) as client:
        nights = []
        for count in list_sizes(tracks):
            own = settings.model_copy(update={"mongo_database": f"retrain_{count}"})
            database = client[own.mongo_database]
            night = run_night(own, database, scale(count), say)
            nights.append(night)
            if count < tracks:
                client.drop_database(database)
        rollback_seconds = time_rollbacks(client, own.mongo_database, night.version)
        say("the same sweep by scikit-learn")
        folder = ModelFolder(own.models_dir / night.version)
        sklearn = sweep_by_sklearn(database[own.tracks_collection], folder.clusters)
        return {
            **describe(nights),
            "rollback_seconds": round(rollback_seconds, 3),
            "sklearn": compare(night.seconds["train_clusters"], sklearn),
            "driver_memory": own.spark_driver_memory,
            "cores": os.cpu_count(),
        }


def choose_tracks(records: int) -> int:
    if 0 < records < FEWEST_TRACKS:
        raise Misuse(
            f"retrain takes at least {FEWEST_TRACKS} tracks, not {records}: it compares them with a"
            " tenth and a hundredth."
        )
    return records or FULL_TRACKS


def run_night(settings: Settings, database: Database[Document], size: Size, say: Say) -> Night:
    """Every step in a process of its own, as Airflow does it."""
    begun = perf_counter()
    fill_library(database, settings.tracks_collection, size, LAST_DAY)
    land_filled(settings, database)
    say(f"{size}: filled in {perf_counter() - begun:.0f} s")
    ended: dict[str, StepEnded] = {}
    for step in (*STEPS, SEARCH):
        ended[step] = run_step(settings, step)
        peak = ended[step].peak.tree_bytes / GIB
        say(f"{size.tracks} tracks, {step}: {ended[step].seconds:.1f} s, {peak:.2f} GiB")
    return Night(
        size, ended["plan"].version,
        seconds={step: ended[step].seconds for step in STEPS},
        peaks={step: ended[step].peak for step in STEPS},
        search_seconds=ended[SEARCH].within,
    )  # fmt: skip


def run_step(settings: Settings, step: str) -> StepEnded:
    """Raises NocturneError with the end of what it said if it fails."""
    command = [sys.executable, "-m", "nocturne.bench.retraining", LAST_DAY.isoformat(), step]
    environment = {**os.environ, **settings_environment(settings)}
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        begun = perf_counter()
        with subprocess.Popen(
            command, env=environment, stdout=out, stderr=err, start_new_session=True
        ) as process:
            try:
                with watching(process, find_mongod(settings)) as peak:
                    process.wait()
            finally:
                kill_session(process)
        seconds = perf_counter() - begun
        if process.returncode:
            err.seek(0)
            raise NocturneError(f"{step} failed:\n{err.read()[-SHOWN_CHARACTERS:]}")
        out.seek(0)
        said = json.loads(out.read().splitlines()[-1])
    return StepEnded(seconds, said["seconds"], said.get("version", ""), peak)


def find_mongod(settings: Settings) -> int | None:
    states = Supervisor(settings.stack_dir).processes()
    return next((state.pid for state in states if state.name.endswith("mongo")), None)


def describe(nights: list[Night]) -> dict[str, Any]:
    """The figures of the largest night, and how cost grew from the smaller ones."""
    smallest, tenth, full = nights
    peaks = full.peaks.values()
    return {
        "seconds": round(full.total(), 1),
        "peak_gib": round(max(peak.tree_bytes for peak in peaks) / GIB, 2),
        "mongod_gib": round(max(peak.beside_bytes for peak in peaks) / GIB, 2),
        "growth": compare_slopes(smallest, tenth, full),
        "growth_with_start_up": round(cost(full) / cost(tenth), 2),
        "start_up_seconds": find_start_up(smallest, tenth),
        "seconds_by_step": {str(night.size.tracks): show_steps(night) for night in nights},
        "peak_gib_by_step": {
            step: round(peak.tree_bytes / GIB, 2) for step, peak in full.peaks.items()
        },
        "listens": full.size.listens,
        "listeners": full.size.listeners,
    }


def cost(night: Night) -> float:
    """Seconds a track, without the search for similar tracks."""
    return night.without_search() / night.size.tracks


def compare_slopes(smallest: Night, tenth: Night, full: Night) -> float | None:
    """What each track more costs above a tenth, over what it costs below: 1 is proportional. None
    if a tenth took no longer than a hundredth, which says nothing.
    """
    below = slope(smallest, tenth)
    return round(slope(tenth, full) / below, 2) if below > 0 else None


def find_start_up(smallest: Night, tenth: Night) -> float:
    """Seconds of a night without tracks, on the line through two small ones, or of the smallest."""
    per_track = max(slope(smallest, tenth), 0.0)
    return round(smallest.without_search() - per_track * smallest.size.tracks, 1)


def slope(smaller: Night, larger: Night) -> float:
    """Seconds that each track more costs, without the search for similar tracks."""
    more = larger.without_search() - smaller.without_search()
    return more / (larger.size.tracks - smaller.size.tracks)


def show_steps(night: Night) -> dict[str, float]:
    steps = {**night.seconds, "search_in_build": night.search_seconds}
    return {step: round(seconds, 1) for step, seconds in steps.items()}


def compare(train_seconds: float, sklearn: Mapping[str, float]) -> dict[str, float]:
    figures = {name: round(seconds, 1) for name, seconds in sklearn.items()}
    return {**figures, "times_sklearn": round(train_seconds / sklearn["seconds"], 1)}


def time_rollbacks(client: MongoClient[Document], database_name: str, version: str) -> float:
    """Between the version and a copy of it, there and back; the seconds of the slowest."""
    copy = copy_version(client[database_name], version)
    taken = []
    for turn in range(ROLLBACKS):
        begun = perf_counter()
        roll_back(client, database_name, version if turn % 2 else copy)
        taken.append(perf_counter() - begun)
    return max(taken)


def copy_version(database: Database[Document], version: str) -> str:
    """Another version with as many rows; its name."""
    copy = f"{version}-copy"
    for table in TABLES:
        name = {"$replaceOne": {"input": "$_id", "find": version, "replacement": copy}}
        steps: list[Document] = [
            {"$match": of_version(version)},
            {"$set": {"_id": name, "version": copy}},
            {"$merge": table},
        ]
        database[table].aggregate(steps)
    database["models"].insert_one({**require_version(database, version), "_id": copy})
    return copy
