"""The short form of `./nocturne bench faults`: everything dies once or twice, nothing is lost."""

import os

import pytest
from streams import make_topic, send

from nocturne.bench import faults
from nocturne.bench.fault_consumer import fault_ingest, fault_topic
from nocturne.bench.fault_kills import Plan
from nocturne.bench.fault_messages import Sent, make_event, make_junk
from nocturne.bench.fault_verdict import expect, judge
from nocturne.bench.faults import cause_faults
from nocturne.errors import ServiceUnavailable
from nocturne.stack.services import find_services
from nocturne.store.collections import ensure_collections

pytestmark = pytest.mark.integration
MESSAGES = [*(make_event(number) for number in range(20)), make_event(3), make_junk(1)]


def test_nothing_is_lost_or_doubled_whatever_dies(servers, database):
    seed = int.from_bytes(os.urandom(2))
    plan = Plan(records=6000, seconds=12, consumer_kills=2, seed=seed)
    found = cause_faults(find_services(servers), database, plan, print)
    assert list(found)[:3] == ["lost", "duplicated", "kills"]
    assert (found["lost"], found["duplicated"], found["kills"]) == (0, 0, 4)
    assert (found["consumer_kills"], found["broker_kills"], found["mongod_kills"]) == (2, 1, 1)
    assert (found["records"], found["replayed"]) == (6000, 6000)
    assert found["dead_letters"] == found["poison"] > 0
    assert (found["replay_changed"], found["identical_after_replay"]) == (0, True)


def test_a_message_that_kafka_does_not_take_fails_the_bench(servers, database, monkeypatch):
    def make_messages(count, seed):
        return [*MESSAGES, Sent(b"listener", b"x" * 11_000_000, None)]

    monkeypatch.setattr(faults, "make_messages", make_messages)
    plan = Plan(records=1, seconds=1, consumer_kills=0, broker_kills=0, mongod_kills=0)
    with pytest.raises(ServiceUnavailable, match="1 messages were not delivered"):
        cause_faults(find_services(servers), database, plan, print)


@pytest.mark.parametrize(
    ("left_out", "twice", "lost", "duplicated"),
    [
        ([], [], 0, 0),
        ([0], [], 1, 0),
        ([20], [], 1, 0),
        ([21], [], 1, 0),
        ([3, 20], [], 2, 0),
        ([0, 5, 21], [], 3, 0),
        ([], [7], 0, 1),
        ([1], [21], 1, 1),
    ],
)
def test_what_never_reached_kafka_is_lost(kafka, database, left_out, twice, lost, duplicated):
    """An event, the second copy of one, poison; and what the topic has too often."""
    topic = fault_topic(make_topic(kafka).name)
    ensure_collections(database)
    arrived = [sent for place, sent in enumerate(MESSAGES) if place not in left_out]
    arrived += [MESSAGES[place] for place in twice]
    send(kafka, topic, *((sent.key, sent.value) for sent in arrived))
    fault_ingest(kafka, database, topic).run()
    verdict = judge(kafka, topic, database["listens"], expect(kafka, topic, MESSAGES))
    assert (verdict.lost, verdict.duplicated) == (lost, duplicated)


def test_what_was_not_stored_is_lost(kafka, database):
    topic = fault_topic(make_topic(kafka).name)
    ensure_collections(database)
    send(kafka, topic, *((sent.key, sent.value) for sent in MESSAGES))
    verdict = judge(kafka, topic, database["listens"], expect(kafka, topic, MESSAGES))
    assert (verdict.lost, verdict.duplicated) == (21, 0)
