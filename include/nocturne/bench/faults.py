"""Faults: records flow while consumers, the broker and mongod are killed; what came of it all."""

import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from typing import Any

from pymongo.database import Database
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from nocturne.bench.fault_consumer import GROUP, fault_ingest, fault_topic
from nocturne.bench.fault_kills import Consumers, Plan, strike
from nocturne.bench.fault_messages import Sent, make_messages
from nocturne.bench.fault_verdict import expect, hash_collection, judge
from nocturne.bench.servers import own_servers
from nocturne.errors import ServiceUnavailable
from nocturne.settings import Settings
from nocturne.store.collections import connect, ensure_collections
from nocturne.stream.connection import KafkaConfig, kafka_config, open_admin
from nocturne.stream.listens import LISTENS
from nocturne.stream.offsets import Progress, measure_topic
from nocturne.stream.produce import CheckedProducer
from nocturne.stream.topics import Topic, ensure_topics

Say = Callable[[str], None]
Document = dict[str, Any]
RECORDS = 100_000
PARTITIONS, GROWN_PARTITIONS = 3, 5
CATCH_UP_SECONDS = 180


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

    Raises ServiceUnavailable if a message was not acknowledged, a consumer ended by itself, or the
    consumers have not read everything CATCH_UP_SECONDS after the last record was sent.
    """
    name = f"faults.{uuid.uuid4().hex[:8]}"
    config = kafka_config(settings)
    create(config, name, PARTITIONS)
    ensure_collections(database)
    messages = list(make_messages(plan.records, plan.seed))
    say(f"seed {plan.seed}: {plan.records} records in {plan.seconds:.0f} s")
    begun = time.monotonic()
    kills: Counter[str] = Counter()
    with (
        Consumers(settings, database.name, name) as consumers,
        sending(config, name, messages, plan.seconds) as sent,
    ):
        for victim, died in strike(plan, settings, consumers):
            kills[victim] += died
            what = "killed" if died else "could not kill"
            say(f"{time.monotonic() - begun:5.1f} s: {what} {victim}")
        sent.result()
        say(f"{time.monotonic() - begun:5.1f} s: all sent, waiting until all is read")
        wait_until_read(config, database, name)
    seconds = time.monotonic() - begun
    found = compare(config, database, name, messages, say)
    return {
        **{key: found.pop(key) for key in ("lost", "duplicated")},
        "kills": kills.total(),
        "consumer_kills": kills["consumer"],
        "broker_kills": kills["kafka"],
        "mongod_kills": kills["mongo"],
        **found,
        "seconds": round(seconds, 1),
        "seed": plan.seed,
    }


def compare(
    config: KafkaConfig,
    database: Database[Document],
    name: str,
    messages: Sequence[Sent],
    say: Say,
) -> dict[str, Any]:
    """What must have come of the messages beside what has, before and after reading them again."""
    topic = fault_topic(name)
    expected = expect(config, topic, messages)
    after_faults = hash_collection(database[LISTENS])
    say("replaying everything from offset 0")
    database["offsets"].delete_many({})
    replayed = fault_ingest(config, database, topic).run()
    verdict = judge(config, topic, database[LISTENS], expected)
    return {
        "lost": verdict.lost,
        "duplicated": verdict.duplicated,
        "records": expected.records,
        "poison": len(expected.poison),
        "dead_letters": verdict.letters,
        "replayed": replayed.read,
        "replay_changed": replayed.changed,
        "identical_after_replay": hash_collection(database[LISTENS]) == after_faults,
    }


@contextmanager
def sending(
    config: KafkaConfig, topic: str, messages: Sequence[Sent], seconds: float
) -> Iterator[Future[None]]:
    """Send at an even pace in a thread; what it raises comes out of the future's `result`.

    Leaving early stops it.
    """
    left = Event()
    with ThreadPoolExecutor(1) as pool:
        try:
            yield pool.submit(send, config, topic, messages, seconds, left)
        finally:
            left.set()


def send(
    config: KafkaConfig, topic: str, messages: Sequence[Sent], seconds: float, left: Event
) -> None:
    """Half way the topic grows. Raises ServiceUnavailable if a message was not acknowledged."""
    begun = time.monotonic()
    with CheckedProducer({**config, "topic.metadata.refresh.interval.ms": 1000}) as producer:
        for number, message in enumerate(messages):
            if number == len(messages) // 2:
                grow(config, topic)
            ahead = number / len(messages) * seconds - (time.monotonic() - begun)
            if ahead > 0.05 and left.wait(ahead):
                return
            producer.send(topic, message.key, message.value)


@retry(
    retry=retry_if_exception_type(ServiceUnavailable),
    stop=stop_after_delay(CATCH_UP_SECONDS),
    wait=wait_fixed(0.5),
    reraise=True,
)
def grow(config: KafkaConfig, name: str) -> None:
    """Add partitions; the broker may have been killed just before."""
    create(config, name, GROWN_PARTITIONS)


def create(config: KafkaConfig, name: str, partitions: int) -> None:
    """With the usual limit: one as small as the ingest's would refuse batches of good messages."""
    ensure_topics(config, (Topic(name, "of the fault bench", partitions),))


def wait_until_read(config: KafkaConfig, database: Database[Document], topic: str) -> None:
    progress = Progress(database, GROUP, topic)
    deadline = time.monotonic() + CATCH_UP_SECONDS
    while time.monotonic() < deadline:
        if progress.is_at_end(measure_topic(open_admin(config), topic)):
            return
        time.sleep(0.5)
    raise ServiceUnavailable(f"{topic} was not read to its end in {CATCH_UP_SECONDS} s.")
