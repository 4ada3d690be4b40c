"""A night as a session of processes that can be killed in the middle of a step."""

import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from time import monotonic
from typing import IO, Any

from nocturne.bench.process_tree import kill_session
from nocturne.errors import NocturneError
from nocturne.settings import Settings
from nocturne.stack.stack import settings_environment

PLAN = "plan"
STEPS_KILLED = ("train_clusters", "train_taste", "build", "check", "publish")
NO_STEP = "between"
"""Between two steps, or after the last."""
STEP_SECONDS = 900.0
SHOWN_CHARACTERS = 3000


@dataclass
class Night:
    """What a night said: the seconds of each step that it finished, and the one that it was in."""

    version: str = ""
    seconds: dict[str, float] = field(default_factory=dict)
    step: str = NO_STEP

    def hear(self, line: dict[str, Any]) -> None:
        if line["event"] == "start":
            self.step = line["step"]
            return
        self.seconds[line["step"]] = line["seconds"]
        self.version, self.step = line["version"], NO_STEP


@dataclass(frozen=True)
class Killed:
    """`happened` is false if the night had ended before; `hit` is the step that died, `left` how
    many processes outlived it.
    """

    happened: bool
    hit: str
    left: int


@dataclass(frozen=True)
class Running:
    process: subprocess.Popen[bytes]
    lines: "queue.Queue[dict[str, Any] | None]"
    log: IO[str]


def list_steps(dying: str) -> list[str]:
    """The steps of a night in which one is to die: all but trainings that came before it, whose
    models are there already.
    """
    first = min(STEPS_KILLED.index(dying), STEPS_KILLED.index("build"))
    return [PLAN, *STEPS_KILLED[first:]]


@contextmanager
def start_night(settings: Settings, day: date, dying: str) -> Iterator[Running]:
    """The night in a session of its own; its lines come as they are said, None at their end."""
    module = [sys.executable, "-m", "nocturne.bench.retraining"]
    command = [*module, day.isoformat(), *list_steps(dying)]
    environment = {**os.environ, **settings_environment(settings)}
    lines: queue.Queue[dict[str, Any] | None] = queue.Queue()
    with (
        tempfile.TemporaryFile("w+") as log,
        subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=log, start_new_session=True
        ) as process,
    ):
        reader = threading.Thread(target=pass_on, args=(process.stdout, lines))
        reader.start()
        try:
            yield Running(process, lines, log)
        finally:
            kill_session(process)
            reader.join()


def pass_on(stream: IO[bytes], lines: "queue.Queue[dict[str, Any] | None]") -> None:
    for line in stream:
        lines.put(json.loads(line))
    lines.put(None)


def run_to_end(settings: Settings, day: date, dying: str = STEPS_KILLED[0]) -> Night:
    """All steps of `list_steps`.

    Raises NocturneError with the end of what it said if it fails.
    """
    night = Night()
    with start_night(settings, day, dying) as running:
        while line := running.lines.get(timeout=STEP_SECONDS):
            night.hear(line)
        if running.process.wait():
            raise NocturneError(f"{day} failed in {night.step}:\n{read_end(running)}")
    return night


def run_and_kill(settings: Settings, day: date, step: str, seconds: float) -> Killed:
    """Run until so many seconds after a step has begun, then kill everything at once.

    Raises NocturneError if the night fails by itself.
    """
    night = Night()
    with start_night(settings, day, step) as running:
        while night.step != step:
            line = running.lines.get(timeout=STEP_SECONDS)
            if line is None:
                raise NocturneError(f"{day} ended before {step}:\n{read_end(running)}")
            night.hear(line)
        listen(running.lines, night, monotonic() + seconds)
        left = kill_session(running.process)
        listen(running.lines, night, monotonic() + STEP_SECONDS)
        ended = running.process.returncode
        if ended not in (0, -signal.SIGKILL):
            raise NocturneError(f"{day} failed in {night.step}:\n{read_end(running)}")
    return Killed(ended != 0, night.step, left)


def read_end(running: Running) -> str:
    running.log.seek(0)
    return running.log.read()[-SHOWN_CHARACTERS:]


def listen(lines: "queue.Queue[dict[str, Any] | None]", night: Night, until: float) -> None:
    """Hear what is said until a moment, or to the end."""
    while (wait := until - monotonic()) > 0:
        try:
            line = lines.get(timeout=wait)
        except queue.Empty:
            return
        if line is None:
            lines.put(None)
            return
        night.hear(line)
