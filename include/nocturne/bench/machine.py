"""How busy the machine was with other things while a bench ran, and whether its ratios count."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from time import sleep
from typing import Any, NamedTuple
from uuid import uuid4

import psutil

MARK = "BENCH_OF_NOCTURNE"
"""A variable of all processes that a bench starts and of those that they start, whoever becomes
their parent: supervised servers are left to init. They get none that begins with NOCTURNE."""
SAMPLE_SECONDS = 5.0
BEFORE_SECONDS = 1.0
QUIET_SHARE = 0.05
"""A tenth of a core of two, by which a way that uses both may be slower in its turn."""
QUIET_MOMENT_SHARE = 0.25
"""Of one sample: half a core of two, for five seconds, can fall on one way alone, and counts for
little in the mean of a bench of ten minutes."""
SHORTEST_MOMENT_SECONDS = 1.0
KERNEL = 2
"""The parent of the kernel's threads, which write and receive on behalf of others."""


class Times(NamedTuple):
    """Processor seconds of all cores, or of some processes, since some beginning."""

    all: float = 0.0
    steal: float = 0.0
    others: float = 0.0

    def since(self, earlier: "Times") -> "Times":
        return Times(*(now - then for now, then in zip(self, earlier, strict=True)))

    @property
    def shares(self) -> tuple[float, float]:
        """Of the machine: what others used, and what its host withheld."""
        whole = max(self.all, 1e-9)
        return max(0.0, self.others / whole), max(0.0, self.steal / whole)


class Seen(NamedTuple):
    """A process as it was when last looked at; `reaped` is the time of its ended children."""

    parent: int
    used: float
    reaped: float
    is_own: bool


@dataclass
class Watch:
    """Splits the machine's time between a bench, the kernel, and all others.

    What processes that cannot be seen use, such as those of another container, is the others':
    they are what is left of the machine's time when the bench's and the kernel's are taken off.
    """

    mark: str
    seen: dict[tuple[int, float], Seen] = field(default_factory=dict)
    own_seconds: float = 0.0

    def look(self) -> Times:
        """The machine's times until now; `others` without what was used before the first look."""
        times = psutil.cpu_times()
        idle = times.idle + getattr(times, "iowait", 0.0)
        steal = getattr(times, "steal", 0.0)
        # The kernel counts a guest's time as user's, too.
        busy = times.user + times.nice + times.system
        waits = getattr(times, "irq", 0.0) + getattr(times, "softirq", 0.0)
        self.own_seconds += self.count_own()
        return Times(busy + waits + idle + steal, steal, busy - self.own_seconds)

    def count_own(self) -> float:
        """Seconds that the bench's processes and the kernel's threads used since the last look.

        Of a process that ended meanwhile its parent knows: what it adds to its ended children,
        less what was counted of them while they lived.
        """
        now = self.list_processes()
        ended = [old for key, old in self.seen.items() if key not in now]
        counted: dict[int, float] = {}
        for old in ended:
            counted[old.parent] = counted.get(old.parent, 0.0) + old.used + old.reaped
        used = 0.0
        for key, process in now.items():
            if process.is_own:
                before = self.seen.get(key) or Seen(0, 0.0, 0.0, True)
                reaped = process.reaped - before.reaped - counted.get(key[0], 0.0)
                used += process.used - before.used + max(0.0, reaped)
        self.seen = now
        return used

    def list_processes(self) -> dict[tuple[int, float], Seen]:
        """All that can be seen, by pid and start: a pid is given to others again."""
        found: dict[tuple[int, float], Seen] = {}
        own = {pid for (pid, _), process in self.seen.items() if process.is_own}
        # A parent comes before its children, so that they are known by it.
        for process in sorted(psutil.process_iter(), key=find_start):
            with suppress(psutil.Error):
                key = find_start(process)[::-1]
                old, parent, times = self.seen.get(key), process.ppid(), process.cpu_times()
                is_own = old.is_own if old else self.belongs(process, parent, own)
                if is_own:
                    own.add(process.pid)
                reaped = times.children_user + times.children_system
                found[key] = Seen(parent, times.user + times.system, reaped, is_own)
        return found

    def belongs(self, process: psutil.Process, parent: int, own: set[int]) -> bool:
        if process.pid in {os.getpid(), KERNEL} or parent == KERNEL:
            return True
        if not self.seen:  # what ran before the bench is not its own, though it be a child
            return False
        with suppress(psutil.Error):
            return parent in own or process.environ().get(MARK) == self.mark
        return False


def find_start(process: psutil.Process) -> tuple[float, int]:
    """When it began, and its pid; 0 if it has ended since."""
    with suppress(psutil.Error):
        return process.create_time(), process.pid
    return 0.0, process.pid


@dataclass
class Machine:
    """What is known of the machine: `before` a bench, from its beginning, and in moments."""

    before: tuple[float, float]
    whole: Times = field(default_factory=Times)
    busiest: float = 0.0

    def add(self, moment: Times, seconds: float) -> None:
        self.whole = Times(*(a + b for a, b in zip(self.whole, moment, strict=True)))
        if seconds >= SHORTEST_MOMENT_SECONDS:
            self.busiest = max(self.busiest, sum(moment.shares))

    def describe(self) -> dict[str, Any]:
        """Shares of all cores' time; `quiet`, or `disturbed_by` why not."""
        others, steal = self.whole.shares
        disturbed = self.explain()
        return {
            "cores": psutil.cpu_count(),
            "others_share": round(others, 4),
            "steal_share": round(steal, 4),
            "busiest_share": round(max(self.busiest, others + steal), 4),
            "before_share": round(sum(self.before), 4),
            "quiet": not disturbed,
            **({"disturbed_by": disturbed} if disturbed else {}),
        }

    def explain(self) -> str:
        """What disturbed the bench, or nothing."""
        others, steal = self.whole.shares
        if others + steal > QUIET_SHARE:
            return (
                f"Other processes used {others:.1%} of the machine and its host withheld"
                f" {steal:.1%}; together at most {QUIET_SHARE:.0%} is quiet."
            )
        if self.busiest > QUIET_MOMENT_SHARE:
            return (
                f"For {SAMPLE_SECONDS:g} seconds others used {self.busiest:.1%} of the machine; at"
                f" most {QUIET_MOMENT_SHARE:.0%} is quiet."
            )
        return ""


@contextmanager
def watch_machine() -> Iterator[Machine]:
    """Look at the machine for BEFORE_SECONDS, then until the block ends.

    What the block starts belongs to it, by descent or by MARK in its environment; what ran before
    does not.
    """
    watch, ended = Watch(mark=uuid4().hex), threading.Event()
    first = watch.look()
    sleep(BEFORE_SECONDS)
    last = watch.look()
    machine = Machine(last.since(first).shares)
    cores = psutil.cpu_count() or 1

    def sample() -> None:
        then, done = last, False
        while not done:
            done = ended.wait(SAMPLE_SECONDS)
            now = watch.look()
            moment = now.since(then)
            machine.add(moment, moment.all / cores)
            then = now

    outer = os.environ.get(MARK)
    os.environ[MARK] = watch.mark
    watcher = threading.Thread(target=sample, name="machine", daemon=True)
    watcher.start()
    try:
        yield machine
    finally:
        ended.set()
        watcher.join()
        if outer is None:
            del os.environ[MARK]
        else:
            os.environ[MARK] = outer
