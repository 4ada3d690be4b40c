"""Bounded ingest on a real broker and database: ranges, offsets, crashes, what is not there."""

import os
import signal
import threading
import time
import uuid
from datetime import UTC, datetime

import pytest
from confluent_kafka import (
    TIMESTAMP_CREATE_TIME,  # noqa: F401
    Producer,
)
from confluent_kafka.cimpl import NewTopic
from pymongo import MongoClient
from streams import (
    GROUP,
    admin,
    committed,
    delete_records,
    hash_stored,
    ids,
    keep_times_of_sending,
    make_ingest,
    make_topic,
    make_value,
    measure,
    progress,
    remembered,
    run_ingest,
    send,
    send_tracks,
)

from nocturne.errors import BadInput, NocturneError, ServiceUnavailable, TooManyRefusals
from nocturne.stack.supervise import Supervisor
from nocturne.store import records
from nocturne.store.collections import connect, ensure_collections
from nocturne.stream import connection, ingest, offsets, reading
from nocturne.stream.connection import open_consumer
from nocturne.stream.offsets import GroupOffsets, Progress
from nocturne.stream.pipeline import MOST_STORING
from nocturne.stream.reading import read_ranges
from nocturne.stream.topics import Topic, ensure_topics

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def small_batches(monkeypatch):
    monkeypatch.setattr(reading, "BATCH", 10)
    monkeypatch.setattr(reading, "POLL_SECONDS", 0.2)


@pytest.fixture
def impatient(monkeypatch):
    """What would be tried again for minutes is given up at once."""
    monkeypatch.setattr(ingest, "PATIENCE_SECONDS", 0)


# What is read


def test_everything_is_read_once(kafka, topic, database, tracks):
    send_tracks(kafka, topic, ids(35))
    report = run_ingest(kafka, topic, database)
    assert (report.read, report.changed, report.dead_letters) == (35, 35, 0)
    assert {item["_id"] for item in tracks.find({}, ["_id"])} == set(ids(35))
    assert sum(report.offsets.values()) == 35
    again = run_ingest(kafka, topic, database)
    assert (again.read, again.changed, again.offsets) == (0, 0, report.offsets)


def test_ids_are_looked_up_while_a_batch_before_knew_some(kafka, database, tracks, monkeypatch):
    """What is thought of the next batch changes the cost, never what is stored."""
    looked = []

    def look(collection, names):
        looked.append(names)
        return find_known(collection, names)

    find_known = records.find_known
    monkeypatch.setattr(records, "find_known", look)
    topic = make_topic(kafka, partitions=1)
    send_tracks(kafka, topic, ids(40))
    assert run_ingest(kafka, topic, database).changed == 40
    assert len(looked) == MOST_STORING, "the first batch to be stored shows that all is new"
    looked.clear()
    # What is known, then what is new, then what is known again, and collides.
    send_tracks(kafka, topic, [*ids(30), *ids(20, start=100), *ids(10)], day=21)
    assert run_ingest(kafka, topic, database).changed == 60
    assert set(ids(30)) <= {name for names in looked for name in names}
    assert sum(map(len, looked)) < 60
    newer = {"source.as_of": datetime(2026, 11, 21, 2, tzinfo=UTC)}
    assert tracks.count_documents(newer) == 50


def test_a_document_knows_when_and_where_it_was_sent(kafka, topic, database, tracks):
    send(kafka, topic, (b"2", make_value("2")), timestamp=1_795_200_000_123)
    run_ingest(kafka, topic, database)
    stored = tracks.find_one({"_id": "2"})
    source = stored["source"]
    assert list(source) == ["as_of", "sent_at", "partition", "offset", "topic"]
    assert source["as_of"].isoformat() == "2026-11-20T02:00:00+00:00"
    assert source["sent_at"].timestamp() == 1_795_200_000.123
    assert (source["offset"], source["topic"]) == (0, topic.name)
    assert stored["metadata"] == {"title": "Food"}
    assert stored["features"] == [0.5] * 518


def test_brokers_date_what_is_sent_also_where_topics_were_made_before(kafka, database, tracks):
    """Retention and windows of time go by that; a producer may say what it likes."""
    topic = make_topic(kafka, partitions=1)
    keep_times_of_sending(kafka, topic.name)
    producer = Producer({"bootstrap.servers": kafka["bootstrap.servers"]})
    for sent_at in (1, 1_795_200_000_000):
        ensure_topics(kafka, (topic,))
        producer.produce(topic.name, make_value("2"), b"2", timestamp=sent_at)
        producer.flush(20)
    began = time.time() - 60
    assert run_ingest(kafka, topic, database).read == 2
    assert tracks.find_one()["source"]["sent_at"].timestamp() > began


def test_an_empty_topic_is_no_error(kafka, topic, database, tracks):
    report = run_ingest(kafka, topic, database)
    assert (report.read, report.offsets) == (0, {0: 0, 1: 0, 2: 0})


def test_what_is_sent_meanwhile_is_left_for_the_next_run(
    kafka, topic, database, tracks, monkeypatch
):
    send_tracks(kafka, topic, ids(25))
    late, once = ids(30, start=100), threading.Lock()

    def write(*arguments):
        if once.acquire(blocking=False):
            send_tracks(kafka, topic, late)
        return records.write_records(*arguments)

    monkeypatch.setattr(ingest, "write_records", write)
    assert run_ingest(kafka, topic, database).read == 25
    assert {item["_id"] for item in tracks.find({}, ["_id"])} == set(ids(25))
    assert run_ingest(kafka, topic, database).read == 30
    assert tracks.count_documents({}) == 55


def test_a_range_is_read_from_its_start_to_just_before_its_end(kafka):
    topic = make_topic(kafka, partitions=1)
    send_tracks(kafka, topic, ids(30))
    consumer = open_consumer(kafka, GROUP)
    batches = list(read_ranges(consumer, topic.name, {0: (2, 27)}))
    consumer.close()
    found = [message.offset() for batch in batches for message in batch.messages]
    assert found == list(range(2, 27))
    assert max(len(batch.messages) for batch in batches) <= 10
    assert batches[-1].offsets == {0: 27}


def test_a_batch_is_bounded_in_bytes_too(kafka, monkeypatch):
    monkeypatch.setattr(reading, "BATCH", 1000)
    monkeypatch.setattr(reading, "BATCH_BYTES", 50_000)
    monkeypatch.setattr(reading, "CHUNK", 10)
    topic = make_topic(kafka, partitions=1)
    send(kafka, topic, *((b"1", b"x" * 5000) for _ in range(200)))
    consumer = open_consumer(kafka, GROUP)
    batches = read_ranges(consumer, topic.name, {0: (0, 200)})
    sizes = [sum(map(len, batch.messages)) for batch in batches]
    consumer.close()
    assert sum(sizes) == 1_000_000
    assert max(sizes) <= 50_000 + 10 * 5000


def test_offsets_without_records_are_passed_at_once(kafka, database, tracks):
    """A transaction's end takes an offset, and its aborted records are not there to read."""
    topic = make_topic(kafka, partitions=1)
    producer = Producer(
        {"bootstrap.servers": kafka["bootstrap.servers"], "transactional.id": topic.name}
    )
    producer.init_transactions(20)
    for keep in (True, False, True, False):
        producer.begin_transaction()
        producer.produce(topic.name, make_value("2"), b"2")
        producer.flush(20)
        producer.commit_transaction(20) if keep else producer.abort_transaction(20)
    started = time.monotonic()
    report = run_ingest(kafka, topic, database)
    assert (report.read, report.offsets) == (2, {0: 8})
    assert time.monotonic() - started < 10
    assert committed(kafka, topic) == {0: 8}


def test_a_stale_record_is_read_but_changes_nothing(kafka, topic, database, tracks):
    send_tracks(kafka, topic, ["2"], title="new", day=21)
    send_tracks(kafka, topic, ["2"], title="old", day=19)
    assert run_ingest(kafka, topic, database).read == 2
    assert tracks.find_one()["metadata"]["title"] == "new"
    send_tracks(kafka, topic, ["2"], title="older", day=18)
    report = run_ingest(kafka, topic, database)
    assert (report.read, report.changed) == (1, 0)
    assert tracks.find_one()["metadata"]["title"] == "new"


def test_too_much_poison_fails_after_the_good_ones_are_stored(kafka, topic, database, tracks):
    send_tracks(kafka, topic, ids(3))
    send(kafka, topic, (b"8", b"poison"), (b"9", b"poison"))
    with pytest.raises(TooManyRefusals, match=f"2 of 5 {topic.name} messages.*40%.*20%.*dead-let"):
        run_ingest(kafka, topic, database, limit=0.2)
    assert tracks.count_documents({}) == 3
    assert run_ingest(kafka, topic, database, limit=0.2).read == 0


# Offsets


def test_offsets_are_in_mongodb_and_in_the_group(kafka, topic, database, tracks):
    send_tracks(kafka, topic, ids(35))
    report = run_ingest(kafka, topic, database)
    assert remembered(database, topic) == committed(kafka, topic) == report.offsets


def test_groups_have_offsets_of_their_own(kafka, topic, database, tracks):
    send_tracks(kafka, topic, ids(12))
    assert run_ingest(kafka, topic, database, group="one").read == 12
    assert run_ingest(kafka, topic, database, group="one-more").read == 12
    assert run_ingest(kafka, topic, database, group="one").read == 0


def test_a_replay_leaves_every_byte_as_it_was(kafka, topic, database, tracks):
    send_tracks(kafka, topic, ids(30))
    run_ingest(kafka, topic, database)
    send_tracks(kafka, topic, ids(10), title="another", day=20)
    send_tracks(kafka, topic, ids(20), title="Food", day=21)
    run_ingest(kafka, topic, database)
    before = hash_stored(database)
    database["offsets"].delete_many({})
    assert run_ingest(kafka, topic, database).read == 60
    assert hash_stored(database) == before


def test_a_range_can_be_replayed_without_moving_the_offsets(kafka, topic, database, tracks):
    send_tracks(kafka, topic, ids(30))
    run_ingest(kafka, topic, database)
    before = hash_stored(database), remembered(database, topic)
    tracks.delete_many({})
    extent = measure(kafka, topic.name)
    report = make_ingest(kafka, topic, database).replay(
        {part: (0, end) for part, end in extent.end.items()}
    )
    assert (report.read, report.changed, report.offsets) == (30, 30, dict(extent.end))
    assert (hash_stored(database), remembered(database, topic)) == before


def test_the_state_does_not_depend_on_how_the_topic_has_grown(kafka, database, tracks):
    """Records of one key stand in two partitions then, and are read in any order."""
    topic = make_topic(kafka, partitions=2)
    for day in (18, 19):
        send_tracks(kafka, topic, ids(40), title="before", day=day)
    run_ingest(kafka, topic, database)
    grown = Topic(topic.name, "of one test", partitions=5)
    ensure_topics(kafka, (grown,))
    send_tracks(kafka, grown, ids(40), title="after", day=19)
    assert len({part for part, end in measure(kafka, topic.name).end.items() if end}) == 5
    report = run_ingest(kafka, grown, database)
    assert report.read == 40
    before = hash_stored(database)
    assert {item["metadata"]["title"] for item in tracks.find()} == {"after"}
    for order in ((4, 3, 2, 1, 0), (0, 1, 2, 3, 4), (2, 0, 4, 1, 3)):
        tracks.delete_many({})
        extent = measure(kafka, topic.name)
        for part in order:
            make_ingest(kafka, grown, database).replay({part: (0, extent.end[part])})
        assert hash_stored(database) == before


def test_remembered_offsets_never_go_back(kafka, topic, database, tracks):
    extent = measure(kafka, topic.name)
    progress(database, topic).remember(extent, {0: 10, 1: 5})
    progress(database, topic).remember(extent, {0: 7, 1: 6})
    assert remembered(database, topic) == {0: 10, 1: 6, 2: None}


def test_offsets_that_retention_removed_are_bad_input(kafka, topic, database, tracks):
    send_tracks(kafka, topic, ids(30))
    run_ingest(kafka, topic, database)
    send_tracks(kafka, topic, ids(60))
    delete_records(kafka, topic, -1)
    with pytest.raises(BadInput, match=rf"{topic.name}\[0\].*retention has removed.*were lost"):
        run_ingest(kafka, topic, database)
    assert tracks.count_documents({}) == 30
    prefix = f"{GROUP}/{topic.name}/"
    with pytest.raises(BadInput, match=f"whose _id begins with '{prefix}'"):
        run_ingest(kafka, topic, database)
    database["offsets"].delete_many({"_id": {"$regex": f"^{prefix}"}})
    send_tracks(kafka, topic, ids(5, start=100))
    assert run_ingest(kafka, topic, database).read == 5


@pytest.mark.parametrize("more", [2, 60])
def test_a_topic_that_was_made_anew_is_bad_input(kafka, topic, database, tracks, more):
    """However much it holds by now."""
    send_tracks(kafka, topic, ids(30))
    run_ingest(kafka, topic, database)
    recreate(kafka, topic)
    send_tracks(kafka, topic, ids(more))
    with pytest.raises(BadInput, match="the topic was made anew"):
        run_ingest(kafka, topic, database)
    database["offsets"].delete_many({})
    assert run_ingest(kafka, topic, database).read == more


def recreate(kafka, topic):
    client = admin(kafka)
    [deletion] = client.delete_topics([topic.name]).values()
    deletion.result(20)
    for _ in range(50):
        [creation] = client.create_topics([NewTopic(topic.name, topic.partitions, 1)]).values()
        if creation.exception(20) is None:
            return
        time.sleep(0.1)
    raise creation.exception()


def test_records_that_go_while_they_are_read_are_not_jumped_over(
    kafka, topic, database, tracks, monkeypatch
):
    send_tracks(kafka, topic, ids(30))
    recall = Progress.recall

    def recall_and_lose(self, extent):
        start = recall(self, extent)
        delete_records(kafka, topic, 5)
        return start

    monkeypatch.setattr(Progress, "recall", recall_and_lose)
    with pytest.raises(BadInput, match=f"while reading {topic.name}.*Retention has removed"):
        run_ingest(kafka, topic, database)


# Crashes


def crash(*_):
    raise MemoryError("the process dies here")


def crash_at(call, inside):
    """The function, dying at its nth call."""
    calls = []

    def dying(*arguments):
        calls.append(arguments)
        if len(calls) == call:
            crash()
        return inside(*arguments)

    return dying


def ingest_undisturbed(kafka, topic, database):
    """The hash of what an ingest that nothing disturbs leaves, in a database of its own."""
    other = database.client[f"{database.name}_undisturbed"]
    try:
        ensure_collections(other)
        run_ingest(kafka, topic, other)
        return hash_stored(other)
    finally:
        database.client.drop_database(other.name)


@pytest.mark.parametrize(
    ("owner", "name"), [(ingest, "write_records"), (Progress, "remember"), (GroupOffsets, "tell")]
)
@pytest.mark.parametrize("call", [1, 3])
def test_a_crash_repeats_work_without_effect(
    kafka, topic, database, tracks, monkeypatch, owner, name, call
):
    send_tracks(kafka, topic, ids(35))
    monkeypatch.setattr(ingest, "NOTE_SECONDS", 0)
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, crash_at(call, getattr(owner, name)))
        with pytest.raises(MemoryError):
            run_ingest(kafka, topic, database)
    assert sum(offset or 0 for offset in remembered(database, topic).values()) < 35
    applied = tracks.count_documents({})
    report = run_ingest(kafka, topic, database)
    assert (report.changed, tracks.count_documents({})) == (35 - applied, 35)
    assert sum(report.offsets.values()) == 35
    assert hash_stored(database) == ingest_undisturbed(kafka, topic, database)


def test_a_crash_in_the_middle_of_a_write_loses_nothing(
    kafka, topic, database, tracks, monkeypatch
):
    send_tracks(kafka, topic, ids(35))

    def write(collection, documents, *how):
        records.write_records(collection, documents[: len(documents) // 2], *how)
        crash()

    with monkeypatch.context() as patch:
        patch.setattr(ingest, "write_records", write)
        for _ in range(2):
            with pytest.raises(MemoryError):
                run_ingest(kafka, topic, database)
            assert set(remembered(database, topic).values()) == {None}
    assert run_ingest(kafka, topic, database).read == 35
    assert hash_stored(database) == ingest_undisturbed(kafka, topic, database)


# What is not there


def test_a_failure_that_passes_is_tried_again(kafka, topic, database, tracks, monkeypatch):
    send_tracks(kafka, topic, ids(35))
    calls = []

    def remember(self, extent, offsets):
        calls.append(offsets)
        if len(calls) in (2, 3):
            raise ServiceUnavailable("the primary has stepped down")
        remember_really(self, extent, offsets)

    remember_really = Progress.remember
    monkeypatch.setattr(Progress, "remember", remember)
    report = run_ingest(kafka, topic, database)
    assert (report.read, tracks.count_documents({})) == (35, 35)
    assert sum(report.offsets.values()) == 35


def test_a_primary_that_steps_down_is_waited_for(kafka, topic, database, tracks, monkeypatch):
    send_tracks(kafka, topic, ids(35))
    stepped = []

    def write(*arguments):
        if not stepped:
            stepped.append(True)
            database.client.admin.command("replSetStepDown", 2, force=True)
        return records.write_records(*arguments)

    monkeypatch.setattr(ingest, "write_records", write)
    report = run_ingest(kafka, topic, database)
    assert (report.read, tracks.count_documents({})) == (35, 35)


def test_servers_that_hang_for_a_while_are_waited_for(
    kafka, topic, database, tracks, servers, monkeypatch
):
    """Both stop answering in the middle, as if the network had paused."""
    send_tracks(kafka, topic, ids(35))
    states = Supervisor(servers.stack_dir).processes()
    servers = [state.pid for state in states if state.name.endswith(("kafka", "mongo"))]
    assert len(servers) == 2
    paused = []

    def write(*arguments):
        if not paused:
            for pid in servers:
                os.kill(pid, signal.SIGSTOP)
            paused.append(threading.Timer(4, resume))
            paused[0].start()
        return records.write_records(*arguments)

    def resume():
        for pid in servers:
            os.kill(pid, signal.SIGCONT)

    monkeypatch.setattr(ingest, "write_records", write)
    try:
        report = run_ingest(kafka, topic, database)
    finally:
        resume()
    paused[0].join()
    assert (report.read, tracks.count_documents({})) == (35, 35)
    assert remembered(database, topic) == committed(kafka, topic) == report.offsets


def test_a_topic_that_does_not_exist_is_named(kafka, database, monkeypatch):
    monkeypatch.setattr(connection, "REQUEST_SECONDS", 1)
    missing = Topic(f"test.{uuid.uuid4().hex}", "never made")
    with pytest.raises(NocturneError, match=f"no Kafka topic {missing.name}.*nocturne topics"):
        run_ingest(kafka, missing, database)


@pytest.mark.usefixtures("impatient")
def test_a_broker_that_is_away_is_named_with_the_topic(free_port, topic, database, monkeypatch):
    monkeypatch.setattr(offsets, "REQUEST_SECONDS", 1)
    away = {"bootstrap.servers": f"127.0.0.1:{free_port}"}
    words = f"Kafka at 127.0.0.1:{free_port} failed while reading {topic.name}"
    with pytest.raises(ServiceUnavailable, match=words):
        run_ingest(away, topic, database)


@pytest.mark.usefixtures("impatient")
def test_a_mongodb_that_is_away_is_named_with_the_collection(kafka, topic, free_port):
    away = f"mongodb://127.0.0.1:{free_port}/"
    with MongoClient(away, serverSelectionTimeoutMS=500) as client:
        words = f"MongoDB at 127.0.0.1:{free_port} failed with test.tracks"
        with pytest.raises(ServiceUnavailable, match=words):
            run_ingest(kafka, topic, client["test"])


def test_a_login_that_mongodb_refuses_is_bad_input(kafka, topic, servers):
    wrong = servers.mongo_uri.replace("mongodb://nocturne:", "mongodb://nobody:")
    with (
        connect(servers.model_copy(update={"mongo_uri": wrong})) as client,
        pytest.raises(BadInput, match=r"MongoDB at 127.*test\.tracks.*Authentication failed"),
    ):
        run_ingest(kafka, topic, client["test"])


def test_records_that_never_come_end_the_wait(kafka, topic, monkeypatch):
    monkeypatch.setattr(reading, "STALL_SECONDS", 0.5)
    send_tracks(kafka, topic, ["2"])
    consumer = open_consumer(kafka, GROUP)
    read = []
    batches = read_ranges(consumer, topic.name, {0: (0, 5), 1: (0, 5), 2: (0, 5)})
    with pytest.raises(ServiceUnavailable, match=f"nothing of {topic.name} for 0.5 s"):
        read.extend(message for batch in batches for message in batch.messages)
    consumer.close()
    assert [message.key() for message in read] == [b"2"]
