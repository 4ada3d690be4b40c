"""Killing for the fault bench: consumers and servers, each kill counted when it has happened."""

import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType

import psutil

from nocturne.errors import ServiceUnavailable
from nocturne.settings import Settings
from nocturne.stack.supervise import Supervisor

CONSUMERS = 2
# A server that was killed just before comes back within this time, and can be killed again.
ALIVE_SECONDS = 30
# The kernel ends a killed process at once, unless it is writing to a disk that hangs.
DEATH_SECONDS = 30


@dataclass(frozen=True)
class Plan:
    """How many records flow for how long, and what dies meanwhile at times drawn from `seed`."""

    records: int
    seconds: float
    consumer_kills: int = 5
    broker_kills: int = 1
    mongod_kills: int = 1
    seed: int = field(default_factory=lambda: random.SystemRandom().randrange(10**6))

    def victims(self) -> list[tuple[float, str]]:
        """Who dies when, in seconds from the start, in order."""
        rng = random.Random(self.seed)  # noqa: S311
        names = [
            *["consumer"] * self.consumer_kills,
            *["kafka"] * self.broker_kills,
            *["mongo"] * self.mongod_kills,
        ]
        rng.shuffle(names)
        times = sorted(rng.uniform(2, self.seconds) for _ in names)
        return list(zip(times, names, strict=True))


class Consumers:
    """Processes that follow the topic; one that is killed is started again.

    Use as a context manager: leaving it stops them, and raises ServiceUnavailable if one had ended
    by itself or ends with an error.
    """

    def __init__(self, settings: Settings, database: str, topic: str) -> None:
        addresses = [settings.kafka_bootstrap, settings.mongo_uri]
        module = [sys.executable, "-m", "nocturne.bench.fault_consumer"]
        self.command = [*module, *addresses, database, topic]
        self.log = settings.stack_dir / "logs" / f"{topic}.log"
        self.running = [self.start() for _ in range(CONSUMERS)]

    def start(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(self.command, stdout=log, stderr=log)

    def kill(self, which: int) -> bool:
        """Whether it was alive and died of this. Raises ServiceUnavailable if it had ended by
        itself, which a consumer never does.
        """
        victim = self.running[which]
        victim.kill()
        ended = victim.wait(DEATH_SECONDS)
        if ended != -signal.SIGKILL:
            raise ServiceUnavailable(f"A consumer ended with {ended}; its log is {self.log}.")
        self.running[which] = self.start()
        return True

    def __enter__(self) -> "Consumers":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for process in self.running:
            process.terminate()
        ended = [process.wait(timeout=120) for process in self.running]
        # One that has just been started again may be told to end before it listens.
        if kind is None and not set(ended) <= {0, -signal.SIGTERM}:
            raise ServiceUnavailable(f"A consumer ended with {ended}; its log is {self.log}.")


def strike(plan: Plan, settings: Settings, consumers: Consumers) -> Iterator[tuple[str, bool]]:
    """Kill what the plan names when it says so; the servers come back by their supervisor.

    Gives each victim, and whether it was alive and died of it.
    """
    begun = time.monotonic()
    turn = 0
    for moment, victim in plan.victims():
        time.sleep(max(0.0, begun + moment - time.monotonic()))
        if victim == "consumer":
            yield victim, consumers.kill(turn % CONSUMERS)
            turn += 1
        else:
            yield victim, kill_server(Supervisor(settings.stack_dir), victim)


def kill_server(supervisor: Supervisor, name: str) -> bool:
    """Kill a server of a stack once it runs: whether it did, and died of it."""
    deadline = time.monotonic() + ALIVE_SECONDS
    while time.monotonic() < deadline:
        if victim := find_running(supervisor, name):
            return kill_process(victim)
        time.sleep(0.1)
    return False


def find_running(supervisor: Supervisor, name: str) -> psutil.Process | None:
    states = supervisor.processes()
    [found] = [state for state in states if state.name.endswith(name)]
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(found.pid) if found.state == "running" else None
    return None


def kill_process(process: psutil.Process) -> bool:
    """Whether it was alive, and was gone within DEATH_SECONDS of being killed."""
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        # Raises NoSuchProcess, rather than kill another process that has got the pid since.
        process.kill()
        process.wait(DEATH_SECONDS)
    except (psutil.NoSuchProcess, psutil.TimeoutExpired):
        return False
    return True
