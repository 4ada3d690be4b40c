"""The night's own steps after loading, without Airflow, for benches to time and to kill.

    python -m nocturne.bench.retraining DAY [STEP ...]

Settings come from the environment. Each step's start and end is a JSON line on stdout: `step`,
`event` ("start" or "end"), and at the end `seconds` and `version`. Without steps it does all of
STEPS. What `plan` answers is kept in the run's folder, as Airflow keeps it for later tasks.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

from pymongo import MongoClient
from pymongo.database import Database

from nocturne.audio.names import feature_set
from nocturne.errors import Misuse
from nocturne.nights import Night, night_of, parse_day
from nocturne.settings import Settings, load_settings
from nocturne.stack.spark import run_spark, submit
from nocturne.steps import version
from nocturne.steps.library import note_sent
from nocturne.steps.without_spark import settle
from nocturne.store.collections import connect

Document = dict[str, Any]
RUN = "bench"
OF_THE_SETTINGS = {"k_min": None, "k_max": None}


@dataclass(frozen=True)
class Retraining:
    """A night of a library that `land_filled` has landed."""

    settings: Settings
    client: MongoClient[Document]
    night: Night

    @property
    def database(self) -> Database[Document]:
        return self.client[self.settings.mongo_database]

    @property
    def answer_file(self) -> Path:
        return self.settings.run_dir(RUN) / "planned.json"

    @property
    def planned(self) -> Document:
        """What `plan` answered last. Raises Misuse if it never did."""
        if not self.answer_file.is_file():
            raise Misuse("Nothing has been planned in this home: `plan` is the first step.")
        answer: Document = json.loads(self.answer_file.read_text("utf-8"))
        return answer


def land_filled(settings: Settings, database: Database[Document]) -> None:
    """Leave what a night's first steps leave, for tracks that are in the collection already."""
    folder = settings.run_dir(RUN)
    folder.mkdir(parents=True, exist_ok=True)
    tracks = database[settings.tracks_collection].find({}, ["_id"])
    note_sent(folder, [track["_id"] for track in tracks])


def plan(work: Retraining) -> None:
    settings = work.settings
    landed = {"run_dir": str(settings.run_dir(RUN)), "library": RUN, "audio_dir": None}
    definition = feature_set(settings.sample_rate, settings.excerpt_seconds)
    ks = version.choose_ks(settings, OF_THE_SETTINGS)
    answer = version.plan_candidate(
        settings, work.database, landed, definition, ks, work.night, RUN
    )
    work.answer_file.write_text(json.dumps(answer), "utf-8")


def train(job: str, work: Retraining) -> None:
    named = version.TRAININGS[job].items()
    options = {name.replace("_", "-"): str(work.planned[key]) for name, key in named}
    if not settle(job, work.settings, options):
        arguments = {f"--{name}": value for name, value in options.items()}
        run_spark(submit(work.settings, job, arguments, ("spark",)))


def build(work: Retraining) -> None:
    version.build_tables(work.settings, work.database, work.planned)


def check(work: Retraining) -> None:
    version.check_candidate(work.settings, work.database, work.planned)


def publish(work: Retraining) -> None:
    version.publish_version(work.settings, work.client, work.planned)


STEPS: dict[str, Callable[[Retraining], None]] = {
    "plan": plan,
    **{job: partial(train, job) for job in version.TRAININGS},
    "build": build,
    "check": check,
    "publish": publish,
}
SEARCH = "neighbours"


def search_neighbours(work: Retraining) -> float:
    """How many seconds of `build` are the search for similar tracks: the same one, again."""
    from nocturne.recommend.candidates import ModelFolder
    from nocturne.recommend.library import read_library
    from nocturne.recommend.similar import search
    from nocturne.recommend.space import embed_tracks

    folder = ModelFolder(Path(work.planned["folder"]))
    library = read_library(work.database, work.settings.tracks_collection, folder)
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
        say(step=name, event="end", seconds=seconds, version=work.planned["version"])


def parse_arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("day", type=parse_day, help="day of data")
    parser.add_argument("steps", nargs="*", choices=[[], *STEPS, SEARCH])
    arguments = parser.parse_args(argv)
    arguments.steps = arguments.steps or list(STEPS)
    return arguments


def main(argv: Sequence[str]) -> None:
    arguments = parse_arguments(argv)
    settings = load_settings()
    with connect(settings) as client:
        work = Retraining(settings, client, night_of(arguments.day))
        if arguments.steps == [SEARCH]:
            say(step=SEARCH, event="end", seconds=search_neighbours(work))
        else:
            run(work, arguments.steps)


if __name__ == "__main__":
    main(sys.argv[1:])
