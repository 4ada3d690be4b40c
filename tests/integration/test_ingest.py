"""Bounded ingest on a real broker and database, with crashes, poison and lost offsets."""

import hashlib
import json
import random
import time
import uuid

import pytest
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from nocturne.errors import BadInput, NocturneError, ServiceUnavailable, TooManyRefusals
from nocturne.store.collections import ensure_collections
from nocturne.store.tracks import upsert_tracks
from nocturne.stream import ingest
from nocturne.stream.connection import open_consumer
from nocturne.stream.ingest import Ingest, offset_id, plan_ranges, read_batches
from nocturne.stream.messages import TrackFeatures
from nocturne.stream.topics import Topic, ensure_topics

pytestmark = pytest.mark.integration
GROUP = "test-group"


@pytest.fixture(autouse=True)
def small_batches(monkeypatch):
    monkeypatch.setattr(ingest, "BATCH", 10)
    monkeypatch.setattr(ingest, "POLL_SECONDS", 0.1)


@pytest.fixture
def topic(kafka):
    made = Topic(f"test.{uuid.uuid4().hex}", "of one test")
    ensure_topics(kafka, (made,))
    return made


@pytest.fixture
def tracks(database):
    ensure_collections(database)
    return database["tracks"]


def make_value(track_id, title="Food", day=20, **changes):
    message = {
        "schema": 1,
        "track_id": track_id,
        "as_of": f"2026-11-{day:02d}T02:00:00Z",
        "run_id": "run-1",
        "metadata": {"title": title},
        "audio_sha256": "ab" * 32,
        "feature_set": "fma518-v1-22050",
        "features": [0.5] * 518,
    }
    return json.dumps(message | changes).encode()


def send(kafka, topic, *messages):
    """Send (key, value) pairs and wait until the broker has them.

    By a plain producer: an idempotent one takes half a second to begin.
    """
    producer = Producer(
        {"bootstrap.servers": kafka["bootstrap.servers"], "message.max.bytes": 2_000_000}
    )
    failures = []
    for key, value in messages:
        producer.produce(
            topic.name, value, key, on_delivery=lambda error, _: failures.append(error)
        )
    assert producer.flush(20) == 0
    assert failures == [None] * len(messages)


def send_tracks(kafka, topic, track_ids, **changes):
    send(kafka, topic, *((name.encode(), make_value(name, **changes)) for name in track_ids))


def ids(count, start=0):
    return [str(number) for number in range(start, start + count)]


def run_ingest(kafka, topic, database, apply=None, group=GROUP, limit=0.2):
    def write(documents):
        return upsert_tracks(database["tracks"], documents)

    return Ingest(topic, TrackFeatures, apply or write, group, "run-1", limit).run(kafka, database)


def hash_stored(database):
    """A hash of every byte of every document."""
    raw = database["tracks"].with_options(CodecOptions(document_class=RawBSONDocument))
    found = hashlib.sha256()
    for document in raw.find().sort("_id"):
        found.update(document.raw)
    return found.hexdigest()


def read_dead_letters(kafka, topic):
    consumer = Consumer({**kafka, "group.id": "reader", "enable.auto.commit": False})
    part = TopicPartition(topic.dead_letter, 0, 0)
    _, end = consumer.get_watermark_offsets(part, timeout=20)
    consumer.assign([part])
    messages = consumer.consume(end, 20) if end else []
    consumer.close()
    assert len(messages) == end
    return messages


def remembered(database, topic, group=GROUP):
    return {
        part: database["offsets"].find_one({"_id": offset_id(group, topic.name, part)})
        for part in range(topic.partitions)
    }


def committed(kafka, topic, group=GROUP):
    consumer = open_consumer(kafka, group)
    parts = [TopicPartition(topic.name, part) for part in range(topic.partitions)]
    found = {part.partition: part.offset for part in consumer.committed(parts, timeout=20)}
    consumer.close()
    return found


def delete_records(kafka, topic, before):
    """What retention does: the records of every partition before an offset are gone."""
    admin = AdminClient({"bootstrap.servers": kafka["bootstrap.servers"]})
    parts = [TopicPartition(topic.name, part, before) for part in range(topic.partitions)]
    for deletion in admin.delete_records(parts).values():
        deletion.result()


# What is read


def test_everything_is_read_once(kafka, topic, database, tracks):
    send_tracks(kafka, topic, ids(35))
    report = run_ingest(kafka, topic, database)
    assert (report.read, report.changed, report.dead_letters) == (35, 35, 0)
    assert {item["_id"] for item in tracks.find({}, ["_id"])} == set(ids(35))
    assert sum(report.offsets.values()) == 35
    again = run_ingest(kafka, topic, database)
    assert (again.read, again.changed, again.offsets) == (0, 0, report.offsets)


def test_a_document_knows_where_it_came_from(kafka, topic, database, tracks):
    send_tracks(kafka, topic, ["2"])
    run_ingest(kafka, topic, database)
    stored = tracks.find_one({"_id": "2"})
    source = stored["source"]
    assert source == {"topic": topic.name, "partition": source["partition"], "offset": 0}
    assert stored["metadata"] == {"title": "Food"}
    assert stored["features"] == [0.5] * 518


def test_an_empty_topic_is_no_error(kafka, topic, database, tracks):
    report = run_ingest(kafka, topic, database)
    assert (report.read, report.offsets) == (0, {0: 0, 1: 0, 2: 0})


def test_what_is_sent_meanwhile_is_left_for_the_next_run(kafka, topic, database, tracks):
    send_tracks(kafka, topic, ids(25))
    late = ids(30, start=100)

    def apply(documents):
        send_tracks(kafka, topic, late)
        late.clear()
        return upsert_tracks(tracks, documents)

    report = run_ingest(kafka, topic, database, apply)
    assert report.read == 25
    assert {item["_id"] for item in tracks.find({}, ["_id"])} == set(ids(25))
    assert run_ingest(kafka, topic, database).read == 30
    assert tracks.count_documents({}) == 55


def test_a_range_is_read_from_its_start_to_just_before_its_end(kafka):
    topic = Topic(f"test.{uuid.uuid4().hex}", "of one partition", partitions=1)
    ensure_topics(kafka, (topic,))
    send_tracks(kafka, topic, ids(30))
    consumer = open_consumer(kafka, GROUP)
    batches = list(read_batches(consumer, topic.name, {0: (2, 27)}))
    consumer.close()
    assert [message.offset() for batch in batches for message in batch] == list(range(2, 27))
    assert max(map(len, batches)) <= 10


def test_a_stale_record_is_read_but_changes_nothing(kafka, topic, database, tracks):
    send_tracks(kafka, topic, ["2"], title="new", day=21)
    send_tracks(kafka, topic, ["2"], title="old", day=19)
    report = run_ingest(kafka, topic, database)
    assert (report.read, tracks.find_one()["metadata"]["title"]) == (2, "new")
    send_tracks(kafka, topic, ["2"], title="older", day=18)
    report = run_ingest(kafka, topic, database)
    assert (report.read, report.changed) == (1, 0)
    assert tracks.find_one()["metadata"]["title"] == "new"


# Offsets


def test_offsets_are_in_mongodb_and_in_the_group(kafka, topic, database, tracks):
    send_tracks(kafka, topic, ids(35))
    report = run_ingest(kafka, topic, database)
    stored = remembered(database, topic)
    assert {part: item["next_offset"] for part, item in stored.items()} == report.offsets
    assert committed(kafka, topic) == report.offsets


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


def test_remembered_offsets_never_go_back(database):
    ensure_collections(database)
    ingest.remember_offsets(database, GROUP, "topic", {0: 10, 1: 5})
    ingest.remember_offsets(database, GROUP, "topic", {0: 7, 1: 6})
    assert ingest.recall_offsets(database, GROUP, "topic") == {0: 10, 1: 6}
    assert ingest.recall_offsets(database, GROUP, "topi") == {}
    assert ingest.recall_offsets(database, f"{GROUP}-2", "topic") == {}


def test_offsets_that_retention_removed_are_bad_input(kafka, topic, database, tracks):
    send_tracks(kafka, topic, ids(30))
    run_ingest(kafka, topic, database)
    send_tracks(kafka, topic, ids(60))
    delete_records(kafka, topic, -1)
    with pytest.raises(BadInput, match=rf"{topic.name}\[0\] holds .*then remove '{GROUP}/"):
        run_ingest(kafka, topic, database)
    assert tracks.count_documents({}) == 30
    database["offsets"].delete_many({"_id": {"$regex": f"^{GROUP}/"}})
    send_tracks(kafka, topic, ids(5, start=100))
    assert run_ingest(kafka, topic, database).read == 5


def test_a_topic_that_was_made_anew_is_bad_input(kafka, topic, database, tracks):
    send_tracks(kafka, topic, ids(30))
    run_ingest(kafka, topic, database)
    recreate(kafka, topic)
    send_tracks(kafka, topic, ids(2))
    with pytest.raises(BadInput, match="the topic was made anew"):
        run_ingest(kafka, topic, database)
    database["offsets"].delete_many({})
    assert run_ingest(kafka, topic, database).read == 2


def recreate(kafka, topic):
    admin = AdminClient({"bootstrap.servers": kafka["bootstrap.servers"]})
    for deletion in admin.delete_topics([topic.name]).values():
        deletion.result()
    for _ in range(50):
        [creation] = admin.create_topics([NewTopic(topic.name, topic.partitions, 1)]).values()
        if creation.exception() is None:
            return
        time.sleep(0.1)
    raise creation.exception()


def test_records_that_go_while_they_are_read_are_not_jumped_over(
    kafka, topic, database, tracks, monkeypatch
):
    send_tracks(kafka, topic, ids(30))

    def plan_and_lose(consumer, *rest):
        ranges = plan_ranges(consumer, *rest)
        delete_records(kafka, topic, 5)
        return ranges

    monkeypatch.setattr(ingest, "plan_ranges", plan_and_lose)
    with pytest.raises(ServiceUnavailable, match=f"while reading {topic.name}"):
        run_ingest(kafka, topic, database)


# Poison


POISON = [
    ("not_json", b"1", b"not json at all"),
    ("not_json", b"2", b""),
    ("not_json", b"3", None),
    ("not_json", b"4", make_value("4").replace(b"Food", b"\\ud800")),
    ("not_json", b"\xff\xfe", b"\x00\xff" * 300),
    ("contract", b"5", b"{}"),
    ("contract", b"6", make_value("6", schema=2)),
    ("contract", b"7", make_value("7", extra="field")),
    ("contract", b"8", make_value("8", features=[0.5] * 517)),
    ("contract", b"9", make_value("9", features=[float("nan")] * 518)),
    ("contract", b"10", make_value("10", metadata={"number": float("inf")})),
    ("contract", b"11", make_value("11", metadata={"$where": "a\0b"})),
    ("contract", b"", make_value("")),
    ("contract", b"12", make_value("12", as_of="2026-11-20T02:00:00")),
    ("key", b"13", make_value("31")),
    ("key", None, make_value("14")),
]


def test_poison_is_set_aside_with_its_bytes_and_reasons(kafka, topic, database, tracks):
    send_tracks(kafka, topic, ids(100, start=100))
    send(kafka, topic, *((key, value) for _, key, value in POISON))
    send_tracks(kafka, topic, ids(10, start=200))
    report = run_ingest(kafka, topic, database)
    assert (report.read, report.changed, report.dead_letters) == (126, 110, 16)
    assert {item["_id"] for item in tracks.find({}, ["_id"])} == set(ids(110, start=100))
    letters = read_dead_letters(kafka, topic)
    by_bytes = {(letter.key(), letter.value()): dict(letter.headers()) for letter in letters}
    assert len(letters) == len(by_bytes) == len(POISON)
    for rule, key, value in POISON:
        headers = by_bytes[key, value]
        assert list(headers) == ["topic", "partition", "offset", "rule", "error", "run_id"]
        assert headers["topic"] == topic.name.encode()
        assert headers["rule"] == rule.encode()
        assert headers["run_id"] == b"run-1"
        assert headers["error"]
    places = {(headers["partition"], headers["offset"]) for headers in by_bytes.values()}
    assert len(places) == len(POISON)
    assert places <= {
        (str(part).encode(), str(offset).encode())
        for part, end in report.offsets.items()
        for offset in range(end)
    }


def test_poison_does_not_come_again(kafka, topic, database, tracks):
    send(kafka, topic, *((key, value) for _, key, value in POISON))
    first = run_ingest(kafka, topic, database, limit=1.0)
    again = run_ingest(kafka, topic, database, limit=0.0)
    assert (again.read, again.dead_letters, again.offsets) == (0, 0, first.offsets)
    assert len(read_dead_letters(kafka, topic)) == len(POISON)


def test_the_error_of_a_dead_letter_names_the_field(kafka, topic, database, tracks):
    send(kafka, topic, (b"8", make_value("8", features=[0.5] * 517)), (b"13", make_value("31")))
    run_ingest(kafka, topic, database, limit=1.0)
    errors = {
        letter.key(): dict(letter.headers())["error"].decode()
        for letter in read_dead_letters(kafka, topic)
    }
    assert errors[b"8"].startswith("features: ")
    assert errors[b"13"] == "key b'13', body '31'"


def test_poison_of_the_largest_size_is_not_in_the_way(kafka, topic, database, tracks):
    noise = random.Random(0).randbytes(topic.largest_message_bytes - 200)  # noqa: S311
    long_name = make_value("2", **{"x" * 900_000: 1})
    send(kafka, topic, (b"1", noise), (b"2", long_name), (b"3", make_value("3")))
    report = run_ingest(kafka, topic, database, limit=1.0)
    assert (report.changed, report.dead_letters) == (1, 2)
    letters = read_dead_letters(kafka, topic)
    assert {letter.value() for letter in letters} == {noise, long_name}
    assert max(len(dict(letter.headers())["error"]) for letter in letters) == 1000


def test_too_much_poison_fails_after_the_good_ones_are_applied(kafka, topic, database, tracks):
    send_tracks(kafka, topic, ids(3))
    send(kafka, topic, (b"8", b"poison"), (b"9", b"poison"))
    with pytest.raises(TooManyRefusals, match=f"2 of 5 {topic.name} messages.*40%.*20%"):
        run_ingest(kafka, topic, database)
    assert tracks.count_documents({}) == 3
    assert len(read_dead_letters(kafka, topic)) == 2
    assert run_ingest(kafka, topic, database).read == 0


def test_offsets_do_not_advance_past_poison_that_could_not_be_set_aside(
    kafka, database, tracks, monkeypatch
):
    topic = Topic(f"test.{uuid.uuid4().hex}", "without dead letters")
    admin = AdminClient({"bootstrap.servers": kafka["bootstrap.servers"]})
    [made] = admin.create_topics([NewTopic(topic.name, topic.partitions, 1)]).values()
    made.result()
    send(kafka, topic, (b"1", b"poison"))
    quick = {**kafka, "topic.metadata.propagation.max.ms": 500}
    with pytest.raises(ServiceUnavailable, match=f"{topic.dead_letter}.*Unknown topic"):
        run_ingest(quick, topic, database)
    assert set(remembered(database, topic).values()) == {None}
    ensure_topics(kafka, (topic,))
    assert run_ingest(kafka, topic, database, limit=1.0).dead_letters == 1


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


@pytest.mark.parametrize("name", ["remember_offsets", "commit_offsets"])
@pytest.mark.parametrize("call", [1, 3])
def test_a_crash_after_the_write_repeats_it_without_effect(
    kafka, topic, database, tracks, monkeypatch, name, call
):
    send_tracks(kafka, topic, ids(35))
    with monkeypatch.context() as patch:
        patch.setattr(ingest, name, crash_at(call, getattr(ingest, name)))
        with pytest.raises(MemoryError):
            run_ingest(kafka, topic, database)
    applied = tracks.count_documents({})
    assert 0 < applied < 35
    report = run_ingest(kafka, topic, database)
    assert (report.changed, tracks.count_documents({})) == (35 - applied, 35)
    assert sum(report.offsets.values()) == 35
    assert hash_stored(database) == ingest_undisturbed(kafka, topic, database)


def test_a_crash_in_the_middle_of_a_write_loses_nothing(kafka, topic, database, tracks):
    send_tracks(kafka, topic, ids(35))

    def apply(documents):
        upsert_tracks(tracks, documents[: len(documents) // 2])
        crash()

    for _ in range(2):
        with pytest.raises(MemoryError):
            run_ingest(kafka, topic, database, apply)
        assert set(remembered(database, topic).values()) == {None}
    assert run_ingest(kafka, topic, database).read == 35
    assert hash_stored(database) == ingest_undisturbed(kafka, topic, database)


def test_a_crash_between_the_dead_letters_and_the_offsets_keeps_every_letter(
    kafka, topic, database, tracks, monkeypatch
):
    send(kafka, topic, (b"1", b"poison"), (b"2", make_value("2")))
    with monkeypatch.context() as patch:
        patch.setattr(ingest, "remember_offsets", crash)
        with pytest.raises(MemoryError):
            run_ingest(kafka, topic, database, limit=1.0)
    run_ingest(kafka, topic, database, limit=1.0)
    letters = read_dead_letters(kafka, topic)
    assert {letter.value() for letter in letters} == {b"poison"}
    places = {dict(letter.headers())["offset"] for letter in letters}
    assert len(places) == 1
    assert tracks.count_documents({}) == 1


# What is not there


def test_a_topic_that_does_not_exist_is_named(kafka, database):
    missing = Topic(f"test.{uuid.uuid4().hex}", "never made")
    with pytest.raises(NocturneError, match=f"{missing.name} cannot be read.*Unknown topic"):
        run_ingest(kafka, missing, database)


def test_a_broker_that_is_away_is_named(free_port, topic, database, monkeypatch):
    monkeypatch.setattr(ingest, "METADATA_SECONDS", 1)
    away = {"bootstrap.servers": f"127.0.0.1:{free_port}", "log_level": 0}
    with pytest.raises(ServiceUnavailable, match=f"Kafka at 127.0.0.1:{free_port} failed"):
        run_ingest(away, topic, database)


def test_records_that_never_come_end_the_wait(kafka, topic, monkeypatch):
    monkeypatch.setattr(ingest, "STALL_SECONDS", 0.5)
    send_tracks(kafka, topic, ["2"])
    consumer = open_consumer(kafka, GROUP)
    read = []
    batches = read_batches(consumer, topic.name, {0: (0, 5), 1: (0, 5), 2: (0, 5)})
    with pytest.raises(ServiceUnavailable, match=f"nothing of {topic.name} for 0.5 s"):
        read.extend(message for batch in batches for message in batch)
    consumer.close()
    assert [message.key() for message in read] == [b"2"]
