"""Following a topic: what comes is stored, partitions are shared, it ends when asked."""

import threading
from contextlib import contextmanager

import pytest
from streams import (
    committed,
    hash_stored,
    ids,
    make_ingest,
    measure,
    read_dead_letters,
    remembered,
    run_ingest,
    send,
    send_tracks,
    wait_until,
)

from nocturne.errors import ServiceUnavailable, TooManyRefusals
from nocturne.stream import ingest, reading
from nocturne.stream.offsets import Progress
from nocturne.stream.topics import Topic, ensure_topics

pytestmark = pytest.mark.integration
QUICK = {"session.timeout.ms": 6000, "topic.metadata.refresh.interval.ms": 500}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(reading, "BATCH", 20)
    monkeypatch.setattr(reading, "POLL_SECONDS", 0.1)


class Follower(threading.Thread):
    """A consumer that follows in a thread; `report` is there when it has ended."""

    def __init__(self, made):
        super().__init__()
        self.made = made
        self.stopped = threading.Event()
        self.report = self.error = None

    def run(self):
        try:
            self.report = self.made.follow(self.stopped)
        except BaseException as error:  # noqa: BLE001 - the test asks for it
            self.error = error

    def end(self):
        self.stopped.set()
        self.join(30)
        assert not self.is_alive()


@contextmanager
def following(kafka, topic, database, count=1, **changes):
    followers = [
        Follower(make_ingest(kafka | QUICK, topic, database, **changes)) for _ in range(count)
    ]
    for follower in followers:
        follower.start()
    try:
        yield followers
    finally:
        for follower in followers:
            follower.end()


def has(tracks, count):
    return lambda: tracks.count_documents({}) == count


def test_what_comes_is_stored_until_it_is_stopped(kafka, topic, database, tracks):
    send_tracks(kafka, topic, ids(30))
    with following(kafka, topic, database) as [follower]:
        wait_until(has(tracks, 30))
        send_tracks(kafka, topic, ids(30, start=30))
        send(kafka, topic, (b"1", b"poison"))
        wait_until(has(tracks, 60))
        wait_until(lambda: len(read_dead_letters(kafka, topic)) == 1)
    report = follower.report
    assert (report.read, report.changed, report.dead_letters) == (61, 60, 1)
    assert remembered(database, topic) == report.offsets == dict(measure(kafka, topic.name).end)
    assert committed(kafka, topic) == report.offsets
    send_tracks(kafka, topic, ids(5, start=60))
    assert run_ingest(kafka, topic, database).read == 5


def test_a_follower_goes_on_where_a_bounded_run_has_ended(kafka, topic, database, tracks):
    send_tracks(kafka, topic, ids(30))
    run_ingest(kafka, topic, database)
    send_tracks(kafka, topic, ids(10, start=30))
    with following(kafka, topic, database) as [follower]:
        wait_until(has(tracks, 40))
    assert follower.report.read == 10


def test_two_followers_share_and_the_second_takes_over(kafka, topic, database, tracks):
    with following(kafka, topic, database, count=2) as [first, second]:
        sent = 0
        while not (first.made.progress and sent >= 200):
            send_tracks(kafka, topic, ids(40, start=sent))
            sent += 40
        wait_until(has(tracks, sent))
        first.end()
        send_tracks(kafka, topic, ids(60, start=sent))
        wait_until(has(tracks, sent + 60))
    assert first.report.read + second.report.read >= sent + 60
    assert remembered(database, topic) == dict(measure(kafka, topic.name).end)
    before = hash_stored(database)
    database["offsets"].delete_many({})
    run_ingest(kafka, topic, database)
    assert hash_stored(database) == before


def test_a_topic_that_grows_is_followed_into_its_new_partitions(kafka, topic, database, tracks):
    with following(kafka, topic, database) as [follower]:
        send_tracks(kafka, topic, ids(30))
        wait_until(has(tracks, 30))
        ensure_topics(kafka, (Topic(topic.name, "of one test", partitions=6),))
        wait_until(lambda: len(measure(kafka, topic.name).end) == 6)
        send_tracks(kafka, topic, ids(60, start=30))
        wait_until(has(tracks, 90))
    assert follower.report.offsets == dict(measure(kafka, topic.name).end)
    assert sum(end > 0 for end in follower.report.offsets.values()) == 6


def test_a_bounded_run_beside_a_follower_of_its_group_harms_nothing(kafka, topic, database, tracks):
    """Kafka takes no offsets from it then; MongoDB's count."""
    with following(kafka, topic, database):
        send_tracks(kafka, topic, ids(60))
        for _ in range(3):
            run_ingest(kafka, topic, database)
        wait_until(has(tracks, 60))
    assert remembered(database, topic) == dict(measure(kafka, topic.name).end)


def test_a_failure_that_passes_does_not_end_it(kafka, topic, database, tracks, monkeypatch):
    """However long nothing has come before."""
    monkeypatch.setattr(ingest, "PATIENCE_SECONDS", 0)
    failures = [ServiceUnavailable("the primary has stepped down")] * 2

    def remember(self, extent, offsets):
        if failures:
            raise failures.pop()
        remember_really(self, extent, offsets)

    remember_really = Progress.remember
    monkeypatch.setattr(Progress, "remember", remember)
    with following(kafka, topic, database) as [follower]:
        send_tracks(kafka, topic, ids(30))
        wait_until(lambda: remembered(database, topic) == dict(measure(kafka, topic.name).end))
    assert (follower.error, failures) == (None, [])
    assert tracks.count_documents({}) == 30


def test_too_much_poison_ends_it(kafka, topic, database, tracks, monkeypatch):
    monkeypatch.setattr(ingest, "FEWEST_TO_JUDGE", 40)
    with following(kafka, topic, database, limit=0.2) as [follower]:
        send(kafka, topic, *((b"1", b"poison") for _ in range(30)))
        send_tracks(kafka, topic, ids(30))
        follower.join(30)
    assert isinstance(follower.error, TooManyRefusals)
    assert "nocturne dead-letters" in str(follower.error)


def test_little_poison_among_little_is_no_reason_to_end(kafka, topic, database, tracks):
    with following(kafka, topic, database, limit=0.2) as [follower]:
        send(kafka, topic, (b"1", b"poison"))
        wait_until(lambda: len(read_dead_letters(kafka, topic)) == 1)
        send_tracks(kafka, topic, ids(3))
        wait_until(has(tracks, 3))
    assert follower.error is None
