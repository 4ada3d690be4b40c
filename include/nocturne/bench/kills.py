"""Kills: a night dies at random points and is run again, while readers poll what is live."""

import random
import shutil
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from pymongo import MongoClient

from nocturne.bench.catalogue_records import Size, fill_library
from nocturne.bench.kill_nights import STEPS_KILLED, Night, run_and_kill, run_to_end
from nocturne.bench.kill_readers import Readers
from nocturne.bench.kill_states import State, read_state, reset
from nocturne.bench.retraining import land_filled
from nocturne.bench.servers import own_servers
from nocturne.errors import NocturneError
from nocturne.settings import Settings
from nocturne.store.collections import connect
from nocturne.store.versions import live_at, roll_back

Say = Callable[[str], None]
Document = dict[str, Any]
KILLS = 20
ROLLBACKS = 5
LAST_DAY = date(2026, 11, 19)
LIBRARY = Size(tracks=300, listens=6000, listeners=120)
FEW_CLUSTERS = {"k_min": 2, "k_max": 3}
"""What can be torn by a kill does not depend on how many k are tried; the time does."""
MOST_TRIES = 6
"""Of one kill: the moment is halved each time that the night had ended before."""
PAUSE_SECONDS = 0.02
"""Between two moves of the pointer: MongoDB's times are whole milliseconds."""


@dataclass(frozen=True)
class Plan:
    """So many kills, in these steps by turns; when within a step is drawn from `seed`."""

    kills: int
    steps: tuple[str, ...] = STEPS_KILLED
    seed: int = field(default_factory=lambda: random.SystemRandom().randrange(10**6))

    def strikes(self) -> list[tuple[str, float]]:
        """Step, and the share of its usual time after which it dies."""
        rng = random.Random(self.seed)  # noqa: S311
        steps = [self.steps[turn % len(self.steps)] for turn in range(self.kills)]
        return [(step, rng.random()) for step in steps]


@dataclass
class Moments:
    """What was live at which moments, as the bench saw it from outside."""

    seen: list[tuple[datetime, str | None]] = field(default_factory=list)

    def note(self, version: str | None) -> None:
        time.sleep(PAUSE_SECONDS)
        self.seen.append((datetime.now(UTC), version))
        time.sleep(PAUSE_SECONDS)

    def count_wrong(self, database: Any) -> int:
        answers = [(live_at(database, moment), version) for moment, version in self.seen]
        return sum((answer and answer["version"]) != version for answer, version in answers)


def measure(records: int, say: Say) -> dict[str, Any]:
    """Torn reads and different ends after `records` kills, 0 for KILLS, on servers of its own."""
    with own_servers(say) as settings:
        return kill_nights(settings.model_copy(update=FEW_CLUSTERS), Plan(records or KILLS), say)


def kill_nights(settings: Settings, plan: Plan, say: Say) -> dict[str, Any]:
    """Carry out a plan in the settings' database, which is empty, and in their home.

    Raises NocturneError if a night that nobody kills fails.
    """
    begun = time.monotonic()
    say(f"seed {plan.seed}: {plan.kills} kills")
    with connect(settings) as client:
        trial = Trial.prepare(settings, client, say)
        with trial.readers:
            for number, (step, share) in enumerate(plan.strikes(), start=1):
                trial.strike_until_hit(step, share)
                say(f"kill {number} of {plan.kills}: {trial.last}")
            slowest = trial.roll_back_often()
        return {
            "kills": trial.hits.total(),
            "missed": trial.missed,
            "reads": trial.readers.reads,
            "torn_reads": trial.readers.torn,
            "different_end_states": len(trial.different),
            "differences": sorted(set(trial.different)),
            "by_step": dict(trial.hits),
            "left_processes": trial.left,
            "seconds": round(time.monotonic() - begun, 1),
            "seed": plan.seed,
            "rollback_seconds": round(slowest, 3),
            "live_at_wrong": trial.moments.count_wrong(trial.database),
        }


@dataclass
class Trial:
    """A library with an older version live, and what an undisturbed night makes of it."""

    settings: Settings
    client: MongoClient[Document]
    readers: Readers
    before: State
    after: State
    usual: Night
    moments: Moments
    different: list[str] = field(default_factory=list)
    hits: Counter[str] = field(default_factory=Counter)
    missed: int = 0
    left: int = 0
    last: str = ""

    @property
    def database(self) -> Any:
        return self.client[self.settings.mongo_database]

    @classmethod
    def prepare(cls, settings: Settings, client: MongoClient[Document], say: Say) -> "Trial":
        database = client[settings.mongo_database]
        fill_library(database, settings.tracks_collection, LIBRARY, LAST_DAY)
        land_filled(settings, database)
        moments = Moments()
        moments.note(None)
        say("the older version")
        older = run_to_end(settings, LAST_DAY - timedelta(days=1))
        moments.note(older.version)
        before = read_state(settings, database)
        say("an undisturbed night, which the killed ones are compared with")
        usual = run_to_end(settings, LAST_DAY)
        after = read_state(settings, database)
        keep_trained(settings, usual.version)
        readers = Readers(settings, {**before.tables, **after.tables})
        return cls(settings, client, readers, before, after, usual, moments)

    def strike_until_hit(self, step: str, share: float) -> None:
        """Raises NocturneError if the night always ends first."""
        for turn in range(MOST_TRIES):
            if self.strike(step, share / 2**turn):
                return
            self.missed += 1
        raise NocturneError(f"{MOST_TRIES} kills in {step} came after the night had ended.")

    def strike(self, step: str, share: float) -> bool:
        """Back to the state before; a night that dies, and one that goes to its end. Was the first
        one killed?
        """
        with self.readers.paused():
            reset(self.settings, self.database, self.before, self.usual.version)
            give_trained(self.settings, self.usual.version, step)
        self.moments.note(self.before.live)
        seconds = share * self.usual.seconds[step]
        killed = run_and_kill(self.settings, LAST_DAY, step, seconds)
        run_to_end(self.settings, LAST_DAY, step)
        found = read_state(self.settings, self.database)
        differences = self.after.differences(found)
        if killed.happened:
            self.hits[killed.hit] += 1
        self.left += killed.left
        self.different += ["; ".join(differences)] if differences else []
        hit = f"hit {killed.hit}" if killed.happened else "too late"
        self.last = f"{step} after {seconds:.2f} s, {hit}, {differences or 'the same'}"
        return killed.happened

    def roll_back_often(self) -> float:
        """There and back; the seconds of the slowest."""
        self.moments.note(self.after.live)
        taken = []
        for turn in range(ROLLBACKS):
            target = (self.before if turn % 2 == 0 else self.after).live
            begun = time.perf_counter()
            roll_back(self.client, self.settings.mongo_database, target if turn else None)
            taken.append(time.perf_counter() - begun)
            self.moments.note(target)
        return max(taken)


def keep_trained(settings: Settings, version: str) -> None:
    """Keep the models: a kill after training need not wait for Spark to make them again."""
    shutil.copytree(settings.models_dir / version, settings.home / "kept" / version)


def give_trained(settings: Settings, version: str, step: str) -> None:
    """What the steps before this one have trained."""
    later = {"train_clusters": ["clusters", "taste"], "train_taste": ["taste"]}.get(step, [])
    kept, given = (folder / version for folder in (settings.home / "kept", settings.models_dir))
    shutil.copytree(kept, given, ignore=shutil.ignore_patterns(*later))
