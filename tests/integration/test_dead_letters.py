"""Dead letters on a real broker: what becomes one, each once whatever dies, and back again."""

import random
import uuid
from dataclasses import replace

import pytest
from confluent_kafka.cimpl import NewPartitions
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from raw_producer import send_raw
from streams import (
    admin,
    delete_records,
    hash_stored,
    ids,
    make_ingest,
    make_topic,
    make_value,
    measure,
    read_dead_letters,
    read_messages,
    remembered,
    run_ingest,
    send,
    send_tracks,
    wait_until,
)

from nocturne.errors import NocturneError, ServiceUnavailable
from nocturne.store.collections import ensure_collections
from nocturne.stream import dead_letters, ingest, offsets, reading, replay, transactions
from nocturne.stream.dead_letters import DeadLetters, PartitionWriter, Poison
from nocturne.stream.headers import SENT_FIRST, UNREADABLE, sent_first_ms
from nocturne.stream.offsets import Progress
from nocturne.stream.replay import list_letters, replay_letters
from nocturne.stream.topics import Topic, ensure_topics

pytestmark = pytest.mark.integration
POISON = [
    ("not_json", b"1", b"not json at all"),
    ("not_json", b"2", b""),
    ("not_json", b"3", None),
    ("not_json", b"4", make_value("4").replace(b"Food", b"\\ud800")),
    ("not_json", b"\xff\xfe", b"\x00\xff" * 300),
    ("schema", b"5", b"{}"),
    ("schema", b"6", make_value("6", schema=2)),
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


@pytest.fixture(autouse=True)
def small_batches(monkeypatch):
    monkeypatch.setattr(reading, "BATCH", 10)
    monkeypatch.setattr(reading, "POLL_SECONDS", 0.2)


@pytest.fixture
def topic(kafka):
    return make_topic(kafka, partitions=1)


def send_poison(kafka, topic):
    send(kafka, topic, *((key, value) for _, key, value in POISON))


def headers_of(letter):
    return dict(letter.headers()[-6:])


# What becomes a letter


def test_poison_is_set_aside_with_its_bytes_and_reasons(kafka, database, tracks):
    topic = make_topic(kafka)
    send_tracks(kafka, topic, ids(100, start=100))
    send_poison(kafka, topic)
    send_tracks(kafka, topic, ids(10, start=200))
    report = run_ingest(kafka, topic, database)
    assert (report.read, report.changed, report.dead_letters) == (126, 110, 16)
    assert {item["_id"] for item in tracks.find({}, ["_id"])} == set(ids(110, start=100))
    letters = read_dead_letters(kafka, topic)
    by_bytes = {(letter.key(), letter.value()): letter for letter in letters}
    assert len(letters) == len(by_bytes) == len(POISON)
    sent = {(item.partition(), item.offset()): item for item in read_messages(kafka, topic.name)}
    for rule, key, value in POISON:
        letter = by_bytes[key, value]
        headers = headers_of(letter)
        assert list(headers) == ["topic", "partition", "offset", "rule", "error", "run_id"]
        assert (headers["topic"], headers["run_id"]) == (topic.name.encode(), b"run-1")
        assert headers["rule"] == rule.encode()
        assert headers["error"]
        original = sent[int(headers["partition"]), int(headers["offset"])]
        assert (original.key(), original.value()) == (key, value)
        assert letter.partition() == original.partition()
        assert sent_first_ms(letter) == original.timestamp()[1]


def test_the_headers_that_a_message_had_come_before_ours(kafka, topic, database, tracks):
    send(kafka, topic, (b"1", b"poison"), headers=[("trace", b"1"), ("topic", None)])
    run_ingest(kafka, topic, database)
    [letter] = read_dead_letters(kafka, topic)
    assert letter.headers()[:2] == [("trace", b"1"), ("topic", None)]
    assert len(letter.headers()) == 2 + 1 + 6
    assert headers_of(letter)["topic"] == topic.name.encode()


NAMES_OF_NO_TEXT = [b"\xff\xfe", b"caf\xe9", b"\xc0\x80", b"\xed\xa0\x80"]
"""Bytes of another encoding, an overlong form, a lone surrogate."""


@pytest.mark.parametrize("name", NAMES_OF_NO_TEXT)
def test_names_of_headers_may_be_any_bytes(kafka, topic, database, tracks, name):
    """Of what is good, what is poison, and what lies among the letters."""
    headers = [(b"trace", b"1"), (name, b"\xff")]
    address = kafka["bootstrap.servers"]
    for key, value in ((b"1", b"poison"), (b"2", make_value("2"))):
        send_raw(address, topic.name, key, value, headers)
    send_raw(address, topic.dead_letter, b"3", b"a stranger's", headers)
    for _ in range(2):
        report = run_ingest(kafka, topic, database, group=f"group-{uuid.uuid4().hex}")
        assert (report.read, report.dead_letters) == (2, 1)
    assert tracks.count_documents({}) == 1
    [(letter, _)] = list_letters(kafka, topic)
    assert (letter.key, letter.value) == (b"1", b"poison")
    assert letter.headers[0][0] == UNREADABLE
    assert replay_letters(kafka, topic) == 1


@given(
    st.lists(
        st.tuples(
            st.one_of(st.none(), st.binary(max_size=9), st.just(b"2")),
            st.one_of(
                st.none(),
                st.binary(max_size=30),
                st.just(make_value("2")),
                st.just(make_value("2", as_of="9999-12-31T00:00:00Z")),
            ),
            st.lists(
                st.tuples(
                    st.one_of(
                        st.text(max_size=5), st.sampled_from([SENT_FIRST, "offset", "topic"])
                    ),
                    st.one_of(st.none(), st.binary(max_size=9), st.integers().map(b"%d".__mod__)),
                ),
                max_size=3,
            ),
        ),
        max_size=12,
    )
)
@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
def test_whatever_is_sent_is_stored_or_becomes_one_letter_and_all_is_read(kafka, database, sent):
    topic, group = make_topic(kafka, partitions=1), f"group-{uuid.uuid4().hex}"
    ensure_collections(database)
    for key, value, headers in sent:
        send(kafka, topic, (key, value), headers=headers)
    report = run_ingest(kafka, topic, database, group=group)
    assert report.read == len(sent)
    letters = [letter for letter, _ in list_letters(kafka, topic)]
    assert len(letters) == report.dead_letters
    assert all(describe(letter) for letter in letters)
    assert replay_letters(kafka, topic) == len(letters)
    assert run_ingest(kafka, topic, database, group=group).dead_letters == len(letters)


def describe(letter):
    """What `dead-letters` tells of one."""
    return [letter.sent_at, str(letter.error), letter.headers]


def test_the_error_of_a_dead_letter_names_the_field(kafka, topic, database, tracks):
    send(kafka, topic, (b"8", make_value("8", features=[0.5] * 517)), (b"13", make_value("31")))
    run_ingest(kafka, topic, database)
    letters = read_dead_letters(kafka, topic)
    errors = {letter.key(): headers_of(letter)["error"].decode() for letter in letters}
    assert errors[b"8"].startswith("features: ")
    assert errors[b"13"] == "key b'13', body '31'"


def test_poison_of_the_largest_size_is_not_in_the_way(kafka, topic, database, tracks):
    noise = random.Random(0).randbytes(topic.largest_message_bytes - 200)  # noqa: S311
    long_name = make_value("2", **{"x" * 900_000: 1})
    send(kafka, topic, (b"1", noise), (b"2", long_name), (b"3", make_value("3")))
    report = run_ingest(kafka, topic, database)
    assert (report.changed, report.dead_letters) == (1, 2)
    letters = read_dead_letters(kafka, topic)
    assert {letter.value() for letter in letters} == {noise, long_name}
    assert max(len(headers_of(letter)["error"]) for letter in letters) == 1000


def test_what_was_larger_than_allowed_before_it_was_compressed(kafka, topic, database, tracks):
    large = make_value("2", title="x" * 12_000_000)
    send(kafka, topic, (b"2", large), (b"3", make_value("3")), compression="gzip")
    assert run_ingest(kafka, topic, database).changed == 1
    [letter] = read_dead_letters(kafka, topic)
    assert letter.value() == large
    assert headers_of(letter)["rule"] == b"too_large"
    assert b"allows 1000000" in headers_of(letter)["error"]


def test_a_document_that_mongodb_refuses_is_a_letter(kafka, topic, database, tracks):
    """Its validator may be stricter than the contract: here it wants ids of one digit."""
    strict = {"$jsonSchema": {"properties": {"_id": {"pattern": "^[0-9]$"}}}}
    database.command("collMod", "tracks", validator=strict)
    send_tracks(kafka, topic, ids(12))
    report = run_ingest(kafka, topic, database)
    assert (report.changed, report.dead_letters) == (10, 2)
    assert {item["_id"] for item in tracks.find({}, ["_id"])} == set(ids(10))
    letters = read_dead_letters(kafka, topic)
    assert {letter.key() for letter in letters} == {b"10", b"11"}
    assert {headers_of(letter)["rule"] for letter in letters} == {b"refused_by_mongodb"}
    assert all(b"pattern" in headers_of(letter)["error"] for letter in letters)


# Each once


def test_poison_does_not_come_again(kafka, topic, database, tracks):
    send_poison(kafka, topic)
    first = run_ingest(kafka, topic, database)
    again = run_ingest(kafka, topic, database, limit=0.0)
    assert (again.read, again.dead_letters, again.offsets) == (0, 0, first.offsets)
    database["offsets"].delete_many({})
    assert run_ingest(kafka, topic, database).dead_letters == len(POISON)
    assert run_ingest(kafka, topic, database, group="another").dead_letters == len(POISON)
    assert len(read_dead_letters(kafka, topic)) == len(POISON)


def crash(*_):
    raise MemoryError("the process dies here")


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (dead_letters.PartitionWriter, "write"),
        (dead_letters, "transaction"),
        (dead_letters.PartitionWriter, "send"),
        (ingest, "write_records"),
        (Progress, "remember"),
        (offsets.GroupOffsets, "tell_last"),
    ],
)
def test_a_crash_neither_loses_nor_doubles_a_letter(
    kafka, topic, database, tracks, monkeypatch, owner, name
):
    send(kafka, topic, (b"1", b"poison"), (b"2", make_value("2")), (b"1", b"other poison"))
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, crash)
        with pytest.raises(MemoryError):
            run_ingest(kafka, topic, database)
    run_ingest(kafka, topic, database)
    letters = read_dead_letters(kafka, topic)
    assert sorted(letter.value() for letter in letters) == [b"other poison", b"poison"]
    assert tracks.count_documents({}) == 1


def test_a_crash_inside_a_transaction_leaves_nothing_to_see(
    kafka, topic, database, tracks, monkeypatch
):
    send(kafka, topic, *((b"1", b"poison %d" % number) for number in range(5)))
    sent = []

    def send_and_die(self, poison, run_id):
        sent.append(poison)
        send_really(self, poison, run_id)
        if len(sent) == 3:
            self.producer.flush(20)
            crash()

    send_really = PartitionWriter.send
    with monkeypatch.context() as patch:
        patch.setattr(PartitionWriter, "send", send_and_die)
        with pytest.raises(MemoryError):
            run_ingest(kafka, topic, database)
    assert len(read_messages(kafka, topic.dead_letter, "read_uncommitted")) >= 3
    run_ingest(kafka, topic, database)
    assert len(read_dead_letters(kafka, topic)) == 5


def test_two_who_set_the_same_aside_at_once_write_it_once(kafka, topic):
    """The one whose id was taken must look again before it writes."""
    send(kafka, topic, (b"1", b"poison"), (b"1", b"more"))
    first, second = [Poison(item, "rule", "error") for item in read_messages(kafka, topic.name)]
    with DeadLetters(kafka, topic, "one") as one, DeadLetters(kafka, topic, "two") as two:
        one.bury([first])
        two.bury([first, second])
        with pytest.raises(ServiceUnavailable, match=topic.dead_letter):
            one.bury([second])
        one.bury([second])
    letters = read_dead_letters(kafka, topic)
    assert sorted(letter.value() for letter in letters) == [b"more", b"poison"]


def test_a_topic_made_anew_has_letters_of_its_own(kafka, topic, database, tracks):
    """Offsets begin again, but the bytes differ."""
    send(kafka, topic, (b"1", b"poison"))
    [old] = read_messages(kafka, topic.name)
    other = make_topic(kafka, partitions=1)
    send(kafka, other, (b"1", b"other"))
    [new] = read_messages(kafka, other.name)
    assert (old.partition(), old.offset()) == (new.partition(), new.offset())
    with DeadLetters(kafka, topic, "run-1") as letters:
        letters.bury([Poison(old, "rule", "error")])
        letters.bury([Poison(new, "rule", "error")])
        letters.bury([Poison(old, "rule", "error"), Poison(new, "rule", "error")])
    assert len(read_dead_letters(kafka, topic)) == 2


def test_offsets_stay_where_poison_could_not_be_set_aside(kafka, topic, database, tracks):
    nowhere = Topic(topic.name.replace("test", "elsewhere"), "without dead letters")
    send(kafka, topic, (b"1", b"poison"))

    class Renamed(Topic):
        dead_letter = nowhere.dead_letter

    renamed = Renamed(topic.name, "whose letters have no topic")
    with pytest.raises(NocturneError, match=f"no Kafka topic {nowhere.dead_letter}"):
        run_ingest(kafka, renamed, database)
    assert set(remembered(database, topic).values()) == {None}
    assert run_ingest(kafka, topic, database).dead_letters == 1


def test_a_topic_that_grew_without_its_letters_says_so(kafka, topic, database, tracks):
    """Others may let it grow; `ensure_topics` then does the same for its letters."""
    client = admin(kafka)
    [grown] = client.create_partitions([NewPartitions(topic.name, 2)]).values()
    grown.result(20)
    wait_until(lambda: len(measure(kafka, topic.name).end) == 2)
    send(kafka, topic, (b"1", b"poison"), partition=1)
    with pytest.raises(NocturneError, match=f"{topic.dead_letter} has no partition 1.*nocturne to"):
        run_ingest(kafka, topic, database)
    ensure_topics(kafka, (topic,))
    wait_until(lambda: len(measure(kafka, topic.dead_letter).end) == 2)
    assert run_ingest(kafka, topic, database).dead_letters == 1


def test_what_others_write_among_the_letters_is_no_letter(kafka, topic, database, tracks, caplog):
    send(kafka, replace(topic, name=topic.dead_letter), (b"1", b"hello"), (b"1", b"hello"))
    send(kafka, topic, (b"1", b"poison"))
    assert run_ingest(kafka, topic, database).dead_letters == 1
    assert [letter.value for letter, _ in list_letters(kafka, topic)] == [b"poison"]
    assert "no dead letter" in caplog.text


# Back again


def test_letters_are_fed_back_once_as_they_were(kafka, topic, database, tracks):
    value = make_value("2", feature_set="x", metadata={"title": "mended"})
    send(kafka, topic, (b"2", value), headers=[("trace", b"1")])
    strict = {"$jsonSchema": {"properties": {"feature_set": {"pattern": "^fma"}}}}
    database.command("collMod", "tracks", validator=strict)
    assert run_ingest(kafka, topic, database).dead_letters == 1
    [(letter, replayed)] = list_letters(kafka, topic)
    assert (letter.rule, letter.value, replayed) == ("refused_by_mongodb", value, False)
    assert replay_letters(kafka, topic) == 1
    assert replay_letters(kafka, topic) == 0
    [(_, replayed)] = list_letters(kafka, topic)
    assert replayed
    first, second = read_messages(kafka, topic.name)
    assert (first.key(), first.value()) == (second.key(), second.value())
    sent_first = b"%d" % first.timestamp()[1]
    assert second.headers() == [*first.headers(), (SENT_FIRST, sent_first)]
    assert second.timestamp()[1] > first.timestamp()[1], "or retention would remove it unread"
    ensure_collections(database)
    report = run_ingest(kafka, topic, database)
    assert (report.read, report.changed, report.dead_letters) == (1, 1, 0)
    assert tracks.find_one()["metadata"] == {"title": "mended"}


def test_a_letter_that_is_fed_back_does_not_overtake_what_was_sent_after_it(
    kafka, topic, database, tracks
):
    send(kafka, topic, (b"2", make_value("2", title="first", feature_set="x")))
    strict = {"$jsonSchema": {"properties": {"feature_set": {"pattern": "^fma"}}}}
    database.command("collMod", "tracks", validator=strict)
    run_ingest(kafka, topic, database)
    send_tracks(kafka, topic, ["2"], title="second")
    run_ingest(kafka, topic, database)
    ensure_collections(database)
    replay_letters(kafka, topic)
    assert run_ingest(kafka, topic, database).read == 1
    assert tracks.find_one()["metadata"]["title"] == "second"


def test_what_is_still_poison_comes_back_as_a_letter_of_its_new_place(
    kafka, topic, database, tracks
):
    send_poison(kafka, topic)
    run_ingest(kafka, topic, database)
    assert replay_letters(kafka, topic) == len(POISON)
    assert run_ingest(kafka, topic, database).dead_letters == len(POISON)
    letters = list(list_letters(kafka, topic))
    assert sum(replayed for _, replayed in letters) == len(POISON)
    assert len(letters) == 2 * len(POISON)


def test_a_replay_that_dies_is_finished_by_the_next(kafka, topic, database, tracks, monkeypatch):
    send(kafka, topic, *((b"1", b"poison %d" % number) for number in range(25)))
    run_ingest(kafka, topic, database)
    monkeypatch.setattr(replay, "LETTERS_AT_ONCE", 10)
    calls = []

    def die_in_the_second(producer, consumer, topic, letters):
        calls.append(letters)
        if len(calls) == 2:
            producer.begin_transaction()
            producer.produce(topic.name, letters[0].value, letters[0].key)
            producer.flush(20)
            crash()
        send_back(producer, consumer, topic, letters)

    send_back = replay.send_back
    with monkeypatch.context() as patch:
        patch.setattr(replay, "send_back", die_in_the_second)
        with pytest.raises(MemoryError):
            replay_letters(kafka, topic)
    assert replay_letters(kafka, topic) == 15
    values = [item.value() for item in read_messages(kafka, topic.name)]
    assert sorted(values) == sorted([b"poison %d" % number for number in range(25)] * 2)


def test_letters_that_retention_removed_are_not_waited_for(kafka, topic, database, tracks):
    send_poison(kafka, topic)
    run_ingest(kafka, topic, database)
    delete_records(kafka, replace(topic, name=topic.dead_letter), -1)
    assert list(list_letters(kafka, topic)) == []
    assert replay_letters(kafka, topic) == 0
    database["offsets"].delete_many({})
    assert run_ingest(kafka, topic, database).dead_letters == len(POISON)


def test_a_replay_without_brokers_names_them(free_port, monkeypatch):
    monkeypatch.setattr(transactions, "TRANSACTION_SECONDS", 1)
    monkeypatch.setattr(offsets, "REQUEST_SECONDS", 1)
    away = {"bootstrap.servers": f"127.0.0.1:{free_port}"}
    with pytest.raises(ServiceUnavailable, match=f"127.0.0.1:{free_port} failed while replaying"):
        replay_letters(away, Topic("tracks.features", "out of reach"))


def test_the_state_after_a_replay_from_the_start_is_the_same(kafka, topic, database, tracks):
    send_tracks(kafka, topic, ids(20))
    send_poison(kafka, topic)
    run_ingest(kafka, topic, database)
    replay_letters(kafka, topic)
    run_ingest(kafka, topic, database)
    before = hash_stored(database), len(read_dead_letters(kafka, topic))
    database["offsets"].delete_many({})
    make_ingest(kafka, topic, database).run()
    assert (hash_stored(database), len(read_dead_letters(kafka, topic))) == before
