"""Files analysed in a process of their own, which may hang or die without taking anybody along.

A Worker keeps one child for its life: starting one costs seconds, a task some microseconds. The
child is the program `nocturne.audio.worker_process`.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import Self

from nocturne.audio.names import Analysis
from nocturne.audio.rules import Rule
from nocturne.audio.store import FeatureRecord
from nocturne.errors import NocturneError

ONE_THREAD: Mapping[str, str] = dict.fromkeys(
    (
        "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS",
        "NUMBA_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
    ),
    "1",
)  # fmt: skip
"""There is a worker for each core already; more threads would only take turns."""
START_SECONDS = 300
"""Where numba has compiled nothing yet, workers of one machine compile in turn."""
ANALYSE = "nocturne.audio.analyse"


@dataclass(frozen=True)
class Limits:
    """What one file may cost.

    A megabyte of the thinnest usual stream (Opus at 16 kbit/s) lasts 8 minutes and takes some 8 s
    of a core; the limits allow several times that, for slow machines and slow file systems.
    """

    least_seconds: float = 120
    seconds_per_megabyte: float = 60
    most_seconds: float = 1800
    memory_bytes: int = 4 << 30

    def seconds(self, path: Path) -> float:
        try:
            megabytes = path.stat().st_size / 1e6
        except OSError:
            megabytes = 0
        return min(self.least_seconds + self.seconds_per_megabyte * megabytes, self.most_seconds)


class WorkerFailed(NocturneError):
    """The child did not even start: the fault is the installation's and no file's."""


@dataclass
class Worker:
    """Analyses one file after another; the child is started with the first, and after a death.

    `module` has the functions `analyse_file` and `warm_up`, as `nocturne.audio.analyse` does.
    """

    limits: Limits = field(default_factory=Limits)
    module: str = ANALYSE
    child: subprocess.Popen[bytes] | None = None
    line: Connection | None = None

    def analyse_file(self, path: Path, audio_sha256: str, analysis: Analysis) -> FeatureRecord:
        """The features of a file, or the rule and reason of its refusal; a bad file never raises.

        Raises WorkerFailed if no child can be started.
        """
        line = self.line if self.is_alive() else self.start()
        assert line is not None  # noqa: S101 - for the type checker
        seconds = self.limits.seconds(path)
        try:
            line.send((path, audio_sha256, analysis, seconds))
            if not line.poll(seconds):
                self.stop()
                return FeatureRecord.refused(
                    audio_sha256, Rule.DECODER_HUNG, f"There was no result after {seconds:.0f} s."
                )
            record = FeatureRecord(*line.recv())
        except (EOFError, OSError):
            return FeatureRecord.refused(
                audio_sha256, Rule.DECODER_DIED, describe_death(self.stop())
            )
        if record.rule == Rule.TOO_LARGE_IN_MEMORY:
            self.stop()  # what could not be had whole may be held in part
        return record

    def is_alive(self) -> bool:
        return self.child is not None and self.child.poll() is None

    def start(self) -> Connection:
        """Start a child and wait until it is ready. Raises WorkerFailed."""
        self.stop()
        ours, theirs = Pipe()
        modules = os.pathsep.join(filter(None, sys.path))  # Spark may have added to it
        with theirs:
            self.child = subprocess.Popen(
                [
                    sys.executable, "-W", "ignore", "-m", "nocturne.audio.worker_process",
                    str(theirs.fileno()), str(self.limits.memory_bytes), self.module,
                ],
                env={**os.environ, **ONE_THREAD, "PYTHONPATH": modules},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )  # fmt: skip
        self.line = ours
        try:
            ready = ours.poll(START_SECONDS) and ours.recv() == "ready"
        except (EOFError, OSError):
            ready = False
        if not ready:
            raise WorkerFailed(
                f"The process that decodes audio does not start ({describe_death(self.stop())})."
                " Its last words stand above, on stderr or in the log."
            )
        return ours

    def stop(self) -> int | None:
        """End the child, if there is one; its exit code, negative for a signal."""
        if self.line is not None:
            self.line.close()
        child, self.child, self.line = self.child, None, None
        if child is None:
            return None
        try:
            # One that has died is about to be seen as dead; one that hangs is not waited for.
            return child.wait(timeout=0.5)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
            return None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()


def describe_death(code: int | None) -> str:
    if code is None:
        return "It was killed."
    if code < 0:
        return f"The decoder died of {name_signal(-code)}."
    return f"The decoder ended with code {code}."


def name_signal(number: int) -> str:
    """Real-time signals have no name in Python, but for the first and the last."""
    known = {one.value: one.name for one in signal.Signals}
    return known.get(number, f"signal {number}")


@cache
def own_worker() -> Worker:
    """The worker of this process, for as long as it lives."""
    return Worker()
