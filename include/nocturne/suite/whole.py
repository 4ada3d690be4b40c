"""The whole suite: all shards at the same time, and one honest line at the end."""

import io
import json
import os
import re
import shutil
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from types import FrameType

import psutil

from nocturne.console import say
from nocturne.settings import load_settings
from nocturne.stack.setup import set_up
from nocturne.suite.shards import (
    COMPUTING,
    LAST_FAILED,
    SHARDS,
    Shard,
    forget_foreign_variables,
    show,
)

# Arguments that change how it is told, not what is run.
TELLING = re.compile(
    r"-[qv]+|-r\w*|--(verbose|quiet|no-header|color=\w+|tb=\w+|durations(-min)?=[\d.]+)"
)
ENDING_SECONDS = 120
POLL_SECONDS = 0.2
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(BaseException):
    """A signal has asked for the end."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


def is_whole(arguments: list[str]) -> bool:
    """Do pytest's arguments leave the whole suite to be run, from its first test to its last?"""
    return all(TELLING.fullmatch(argument) for argument in arguments)


def run_suite(arguments: list[str]) -> int:
    """Run every shard; pytest's worse exit code, or 128 and the number of the signal that ended it.

    SIGINT, SIGTERM and SIGHUP end all shards and what they have started.
    """
    forget_foreign_variables()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # whatever a test prints, on whatever terminal
    code = 0
    with tempfile.TemporaryDirectory(prefix="nocturne-suite-") as folder:
        # The settings.env of the user's own home is not for the tests either.
        os.environ["NOCTURNE_HOME"] = folder
        shards = [Shard(name, Path(folder)) for name in SHARDS]
        with raising_stopped():
            try:
                run_shards(shards, arguments)
            except Stopped as stopped:
                show(f"{stopped}: ending all shards, which takes up to {ENDING_SECONDS} s")
                code = 128 + stopped.number
            finally:
                end_shards(shards)
        keep_last_failed(shards)
        return max(code, conclude(shards))


@contextmanager
def raising_stopped() -> Iterator[None]:
    """The first signal raises Stopped; later ones do not disturb what ends then."""

    def stop(number: int, _: FrameType | None) -> None:
        for each in SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        raise Stopped(number)

    before = {each: signal.getsignal(each) for each in SIGNALS}
    for each in before:
        if each != signal.SIGHUP or before[each] != signal.SIG_IGN:  # else nohup started us
            signal.signal(each, stop)
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def run_shards(shards: list[Shard], arguments: list[str]) -> None:
    """Set up, then run two at a time: the one that computes beside those that wait, which take
    turns, and in the end beside what needs no server. A third would slow two cores down until
    servers miss their limits of time. By then numba has compiled: two processes that do it at once
    leave broken files.
    """
    taken: set[int] = set()
    for shard in shards:
        shard.prepare(taken)
    columns = shutil.get_terminal_size((100, 24)).columns
    color = ["--color=yes"] if sys.stdout.isatty() else []
    set_up(load_settings(), say)
    lines = [
        [shard for shard in shards if shard.name != COMPUTING],
        [shard for shard in shards if shard.name == COMPUTING],
    ]
    while any(lines):
        for line in lines:
            if line and not line[0].has_begun():
                line[0].start([*color, *arguments], columns)
            elif line and not line[0].is_running():
                line.pop(0).finish()
        sleep(POLL_SECONDS)


def end_shards(shards: list[Shard]) -> None:
    deadline = monotonic() + ENDING_SECONDS
    for shard in shards:
        shard.interrupt()
    for shard in shards:
        shard.end_by(deadline)
        shard.finish()
    for process in psutil.Process().children(recursive=True):  # one that has only just begun
        process.kill()


def keep_last_failed(shards: list[Shard]) -> None:
    """Leave the failed tests of all shards for a plain `./nocturne test --lf`."""
    file = Path(".pytest_cache") / LAST_FAILED
    file.parent.mkdir(parents=True, exist_ok=True)
    failed = {name: True for shard in shards for name in shard.last_failed()}
    file.write_text(json.dumps(failed), encoding="utf-8")


def conclude(shards: list[Shard]) -> int:
    """Print how long each took and the totals, and answer the worse exit code.

    Errors count as failed, and so does a shard that died before it could say what it had run.
    """
    total: Counter[str] = Counter()
    codes = []
    for shard in shards:
        counted, code = shard.count(), shard.exit_code()
        if not counted:
            show(f"{shard.name} did not say what it ran; its exit code is {code}")
            counted, code = Counter(failed=1), code or 1
        total += counted
        codes.append(code)
    minutes = ", ".join(f"{shard.name} {shard.seconds / 60:.1f} min" for shard in shards)
    show(f"{minutes}; exit codes {', '.join(map(str, codes))}")
    passed = total["passed"] + total["xpassed"]
    failed = total["failed"] + total["error"]
    show(f"{passed} passed, {failed} failed, {total['skipped'] + total['xfailed']} skipped")
    return max(codes)
