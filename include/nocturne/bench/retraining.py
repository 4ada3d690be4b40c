"""A night after loading, without Airflow, for benches to time and to kill.

    python -m nocturne.bench.retraining DAY [--version VERSION] [STEP ...]

Settings come from the environment. Each step's start and end is a JSON line on stdout: `step`,
`event` ("start" or "end"), and at the end `seconds` and `version`. Without steps it does all of
STEPS; VERSION is needed unless `plan` is one of them.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from pymongo import MongoClient
from pymongo.database import Database

from nocturne.audio.names import feature_set
from nocturne.errors import Misuse
from nocturne.models.gates import require_passed
from nocturne.models.report import write_report
from nocturne.nights import Night, night_of, parse_day
from nocturne.recommend import candidates, tables
from nocturne.recommend.library import read_library
from nocturne.recommend.similar import search
from nocturne.recommend.space import embed_tracks
from nocturne.settings import Settings, load_settings
from nocturne.stack.spark import run_spark, submit
from nocturne.store.collections import connect
from nocturne.store.versions import publish, remove_old_tables, require_version

Document = dict[str, Any]
RUN = "bench"


@dataclass
class Retraining:
    """One version on its way; `version` is empty until it is planned."""

    settings: Settings
    client: MongoClient[Document]
    night: Night
    version: str = ""

    @property
    def database(self) -> Database[Document]:
        return self.client[self.settings.mongo_database]

    @property
    def folder(self) -> candidates.ModelFolder:
        return candidates.ModelFolder(self.settings.models_dir / self.version)


def plan(work: Retraining) -> None:
    settings = work.settings
    collection = settings.tracks_collection
    definition = feature_set(settings.sample_rate, settings.excerpt_seconds)
    recipe = candidates.choose_recipe(settings, definition, settings.k_min, settings.k_max)
    track_ids = {track["_id"] for track in work.database[collection].find({}, ["_id"])}
    origin = {"run_id": RUN, "library": RUN}
    work.version = candidates.plan_candidate(
        work.database, collection, track_ids, work.night, recipe, origin, settings.models_dir,
    )  # fmt: skip


def train_clusters(work: Retraining) -> None:
    settings = work.settings
    arguments: dict[str, str | Path] = {
        "--inputs": work.folder.tracks,
        "--target": work.folder.clusters,
        "--k-min": str(settings.k_min),
        "--k-max": str(settings.k_max),
        "--max-cluster-share": str(settings.max_cluster_share),
        "--min-stability": str(settings.min_stability),
    }
    run_spark(submit(settings, "train_clusters", arguments, ("spark",)))


def train_taste(work: Retraining) -> None:
    arguments = {"--ratings": work.folder.ratings, "--target": work.folder.taste}
    run_spark(submit(work.settings, "train_taste", arguments))


def build(work: Retraining) -> None:
    collection = work.settings.tracks_collection
    tables.build_tables(work.database, collection, work.version, work.folder)


def check(work: Retraining) -> None:
    settings = work.settings
    limits = candidates.choose_limits(settings)
    verdicts = candidates.judge_candidate(work.database, work.version, limits)
    write_page(work)
    require_passed(work.version, verdicts)


def write_page(work: Retraining) -> None:
    model = require_version(work.database, work.version)
    write_report(work.settings.reports_dir, work.version, model, work.folder.clusters)


def go_live(work: Retraining) -> None:
    publish(work.client, work.settings.mongo_database, work.version)
    remove_old_tables(work.database, work.settings.versions_kept)
    write_page(work)


STEPS: dict[str, Callable[[Retraining], None]] = {
    "plan": plan,
    "train_clusters": train_clusters,
    "train_taste": train_taste,
    "build": build,
    "check": check,
    "publish": go_live,
}


def search_neighbours(work: Retraining) -> float:
    """How many seconds of `build` are the search for similar tracks: the same one, again."""
    library = read_library(work.database, work.settings.tracks_collection, work.folder)
    vectors, _ = embed_tracks(library.features, library.genres, work.settings.metric)
    begun = perf_counter()
    search(vectors, work.settings.neighbours)
    return perf_counter() - begun


def say(**said: object) -> None:
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()


def run(work: Retraining, steps: Sequence[str]) -> None:
    for name in steps:
        say(step=name, event="start")
        begun = perf_counter()
        STEPS[name](work)
        seconds = perf_counter() - begun
        say(step=name, event="end", seconds=seconds, version=work.version)


def parse_arguments(argv: Sequence[str]) -> argparse.Namespace:
    """Raises Misuse if a version is needed and not given."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("day", type=parse_day, help="day of data")
    parser.add_argument("--version", default="", help="the version that was planned")
    parser.add_argument("steps", nargs="*", choices=[[], *STEPS, "neighbours"])
    arguments = parser.parse_args(argv)
    arguments.steps = arguments.steps or list(STEPS)
    if not arguments.version and arguments.steps[0] != "plan":
        raise Misuse(f"{arguments.steps[0]} needs --version, for nothing has been planned.")
    return arguments


def main(argv: Sequence[str]) -> None:
    arguments = parse_arguments(argv)
    settings = load_settings()
    with connect(settings) as client:
        work = Retraining(settings, client, night_of(arguments.day), arguments.version)
        if arguments.steps == ["neighbours"]:
            say(step="neighbours", event="end", seconds=search_neighbours(work))
        else:
            run(work, arguments.steps)


if __name__ == "__main__":
    main(sys.argv[1:])
