"""Faults: records flow while consumers, the broker and mongod are killed; what came of it all."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from pymongo.database import Database

from nocturne.bench.fault_consumer import GROUP, fault_ingest, fault_topic
from nocturne.bench.fault_messages import make_messages
from nocturne.bench.fault_verdict import expect, hash_collection, judge
from nocturne.bench.servers import own_servers
from nocturne.errors import ServiceUnavailable
from nocturne.settings import Settings
from nocturne.stack.supervise import Supervisor
from nocturne.store.collections import connect, ensure_collections
from nocturne.stream.connection import KafkaConfig, kafka_config, open_admin
from nocturne.stream.listens import LISTENS
from nocturne.stream.offsets import Progress, measure_topic
from nocturne.stream.produce import CheckedProducer
from nocturne.stream.topics import Topic, ensure_topics

Say = Callable[[str], None]
Document = dict[str, Any]
RECORDS = 100_000
CONSUMERS = 2
PARTITIONS, GROWN_PARTITIONS = 3, 5
CATCH_UP_SECONDS = 180


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


def measure(records: int, say: Say) -> dict[str, Any]:
    """Lost and duplicated records after seven kills and a replay, on servers of its own."""
    records = records or RECORDS
    plan = Plan(records, seconds=max(20.0, records / 1600))
    with own_servers(say) as settings, connect(settings) as client:
        return cause_faults(settings, client["faults"], plan, say)


def cause_faults(
    settings: Settings, database: Database[Document], plan: Plan, say: Say
) -> dict[str, Any]:
    """Run a plan on the embedded servers of `settings`, in an empty database.

    Raises ServiceUnavailable if the consumers have not read everything CATCH_UP_SECONDS after the
    last record was sent.
    """
    name = f"faults.{uuid.uuid4().hex[:8]}"
    config = kafka_config(settings)
    create(config, name, PARTITIONS)
    ensure_collections(database)
    begun = time.monotonic()
    say(f"seed {plan.seed}: {plan.records} records in {plan.seconds:.0f} s")
    with Consumers(settings, database.name, name) as consumers:
        events, sender = start_sending(config, name, plan)
        for victim in strike(plan, settings, consumers):
            say(f"{time.monotonic() - begun:5.1f} s: killed {victim}")
        sender.join()
        say(f"{time.monotonic() - begun:5.1f} s: all sent, waiting until all is read")
        wait_until_read(config, database, name)
    seconds = time.monotonic() - begun
    topic = fault_topic(name)
    expected = expect(config, topic, events)
    after_faults = hash_collection(database[LISTENS])
    say("replaying everything from offset 0")
    database["offsets"].delete_many({})
    replayed = fault_ingest(config, database, topic).run()
    verdict = judge(config, topic, database[LISTENS], expected)
    return {
        "records": expected.records,
        "lost": verdict.lost,
        "duplicated": verdict.duplicated,
        "kills": plan.consumer_kills + plan.broker_kills + plan.mongod_kills,
        "consumer_kills": plan.consumer_kills,
        "broker_kills": plan.broker_kills,
        "mongod_kills": plan.mongod_kills,
        "poison": len(expected.poison),
        "dead_letters": verdict.letters,
        "replayed": replayed.read,
        "replay_changed": replayed.changed,
        "identical_after_replay": hash_collection(database[LISTENS]) == after_faults,
        "seconds": round(seconds, 1),
        "seed": plan.seed,
    }


def start_sending(
    config: KafkaConfig, topic: str, plan: Plan
) -> tuple[dict[bytes, str], threading.Thread]:
    """Send at an even pace in a thread; half way the topic grows. The good messages' event ids,
    by key and value.
    """
    messages = list(make_messages(plan.records, plan.seed))
    begun = time.monotonic()

    def send() -> None:
        with CheckedProducer({**config, "topic.metadata.refresh.interval.ms": 1000}) as producer:
            for number, message in enumerate(messages):
                if number == plan.records // 2:
                    create(config, topic, GROWN_PARTITIONS)
                ahead = number / plan.records * plan.seconds - (time.monotonic() - begun)
                if ahead > 0.05:
                    time.sleep(ahead)
                producer.send(topic, message.key, message.value)

    sender = threading.Thread(target=send)
    sender.start()
    good = {sent.key + sent.value: sent.event_id for sent in messages if sent.event_id}
    return good, sender


def create(config: KafkaConfig, name: str, partitions: int) -> None:
    """With the usual limit: one as small as the ingest's would refuse batches of good messages."""
    ensure_topics(config, (Topic(name, "of the fault bench", partitions),))


class Consumers:
    """Processes that follow the topic; one that is killed is started again."""

    def __init__(self, settings: Settings, database: str, topic: str) -> None:
        addresses = [settings.kafka_bootstrap, settings.mongo_uri]
        module = [sys.executable, "-m", "nocturne.bench.fault_consumer"]
        self.command = [*module, *addresses, database, topic]
        self.log = settings.stack_dir / "logs" / f"{topic}.log"
        self.running = [self.start() for _ in range(CONSUMERS)]

    def start(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(self.command, stdout=log, stderr=log)

    def kill(self, which: int) -> None:
        self.running[which].kill()
        self.running[which].wait()
        self.running[which] = self.start()

    def __enter__(self) -> "Consumers":
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.running:
            process.terminate()
        ended = [process.wait(timeout=120) for process in self.running]
        if any(ended):
            raise ServiceUnavailable(f"A consumer ended with {ended}; its log is {self.log}.")


def strike(plan: Plan, settings: Settings, consumers: Consumers) -> Iterator[str]:
    """Kill what the plan names when it says so; the servers come back by their supervisor."""
    begun = time.monotonic()
    turn = 0
    for moment, victim in plan.victims():
        time.sleep(max(0.0, begun + moment - time.monotonic()))
        if victim == "consumer":
            consumers.kill(turn % CONSUMERS)
            turn += 1
        else:
            states = Supervisor(settings.stack_dir).processes()
            [pid] = [state.pid for state in states if state.name.endswith(victim)]
            if pid:
                os.kill(pid, signal.SIGKILL)
        yield victim


def wait_until_read(config: KafkaConfig, database: Database[Document], topic: str) -> None:
    progress = Progress(database, GROUP, topic)
    deadline = time.monotonic() + CATCH_UP_SECONDS
    while time.monotonic() < deadline:
        if progress.is_at_end(measure_topic(open_admin(config), topic)):
            return
        time.sleep(0.5)
    raise ServiceUnavailable(f"{topic} was not read to its end in {CATCH_UP_SECONDS} s.")
