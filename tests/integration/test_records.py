"""Records in any order, number and company: what MongoDB holds in the end, against a model."""

import random
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import reduce

import bson
import pytest
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo import WriteConcern
from pymongo.errors import BulkWriteError, OperationFailure

from nocturne.store import records
from nocturne.store.records import FIRST, LARGEST_DOCUMENT_BYTES, NEWEST, order_of, write_records

pytestmark = pytest.mark.integration
MIDNIGHT = datetime(2026, 11, 20, tzinfo=UTC)
DATABASE_EXAMPLES = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
THOUGHT_NEW = pytest.mark.parametrize("new", [False, True], ids=["looked for", "thought new"])
RULES = pytest.mark.parametrize(("rule", "choose"), [(NEWEST, max), (FIRST, min)])
UNACCEPTABLE = [7, 2**63, "\ud800", {"nul\0": 1}]
"""Contents that the validator refuses or that BSON cannot hold."""


@pytest.fixture
def plain(database):
    """A collection whose validator wants a text."""
    validator = {"$jsonSchema": {"properties": {"content": {"bsonType": "string"}}}}
    return database.create_collection("plain", validator=validator)


def make_record(name="a", day=0, seconds=0, partition=0, offset=0, content=None, topic="a topic"):
    source = {
        "as_of": MIDNIGHT + timedelta(days=day),
        "sent_at": MIDNIGHT + timedelta(seconds=seconds),
        "partition": partition,
        "offset": offset,
        "topic": topic,
    }
    return {"_id": name, "content": content or f"of {partition}/{offset}", "source": source}


def stored_bytes(collection):
    raw = collection.with_options(CodecOptions(document_class=RawBSONDocument))
    return [document.raw for document in raw.find().sort("_id")]


def expected_bytes(stream, choose):
    """What the model keeps: of each id the greatest or the least of the acceptable records."""
    by_id = {}
    for record in stream:
        if record["content"] not in UNACCEPTABLE:
            by_id.setdefault(record["_id"], []).append(record)
    return [bson.encode(choose(by_id[name], key=order_of)) for name in sorted(by_id)]


def write_in_batches(collection, stream, sizes, rule, new=False):
    """Write in batches of these sizes, over and over; how many changed, and what was refused."""
    changed, refused, start = 0, [], 0
    while start < len(stream):
        for size in sizes:
            written = write_records(collection, stream[start : start + size], rule, new)
            changed += written.changed
            refused += [record for record, _ in written.refused]
            start += size
    return changed, refused


@st.composite
def streams(draw, contents):
    """Records of a few ids, days and partitions; within one, times may go back or stand still."""
    small = st.integers(0, 2)
    places = draw(st.lists(st.tuples(st.sampled_from("abc"), small, small, small), min_size=1,
                           max_size=10))  # fmt: skip
    made = [
        make_record(name, day, seconds, partition, offset, draw(contents))
        for offset, (name, day, seconds, partition) in enumerate(places)
    ]
    repeated = draw(st.lists(st.sampled_from(made), max_size=6))
    return draw(st.permutations(made + repeated))


batch_sizes = st.lists(st.integers(1, 7), min_size=1, max_size=3)


# What stays


@THOUGHT_NEW
@RULES
@DATABASE_EXAMPLES
@given(stream=streams(st.none()), sizes=batch_sizes)
def test_records_in_any_order_number_and_batches_end_in_the_same_bytes(
    plain, rule, choose, stream, sizes, new
):
    plain.delete_many({})
    _, refused = write_in_batches(plain, stream, sizes, rule, new)
    assert stored_bytes(plain) == expected_bytes(stream, choose)
    assert write_in_batches(plain, stream[::-1], sizes[::-1], rule, new) == (0, [])
    assert stored_bytes(plain) == expected_bytes(stream, choose)
    assert refused == []


@THOUGHT_NEW
@RULES
@DATABASE_EXAMPLES
@given(stream=streams(st.none() | st.sampled_from(UNACCEPTABLE)), sizes=batch_sizes)
def test_what_is_refused_keeps_nothing_else_out(plain, rule, choose, stream, sizes, new):
    plain.delete_many({})
    _, refused = write_in_batches(plain, stream, sizes, rule, new)
    assert stored_bytes(plain) == expected_bytes(stream, choose)
    assert all(record["content"] in UNACCEPTABLE for record in refused)


@RULES
@DATABASE_EXAMPLES
@given(stream=streams(st.none()))
def test_one_by_one_what_changes_is_counted(plain, rule, choose, stream):
    plain.delete_many({})
    kept = {}
    for record in stream:
        before = kept.get(record["_id"], record)
        kept[record["_id"]] = choose(before, record, key=order_of)
        changed = len(kept) > plain.count_documents({}) or kept[record["_id"]] is not before
        assert write_records(plain, [record], rule).changed == changed


@RULES
def test_writers_at_one_time_end_in_the_same_bytes(plain, rule, choose):
    generator = random.Random(7)  # noqa: S311
    stream = [
        make_record(f"{n % 20:02}", seconds=generator.randrange(9), partition=n % 3, offset=n)
        for n in range(400)
    ]

    def write(seed):
        shuffled = random.Random(seed).sample(stream, len(stream))  # noqa: S311
        return write_in_batches(plain, shuffled, [7, 50, 1, 20], rule, new=seed > 1)

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(write, range(4)))
    assert stored_bytes(plain) == expected_bytes(stream, choose)
    assert [refused for _, refused in answers] == [[]] * 4


@THOUGHT_NEW
def test_what_was_there_before_is_counted_as_known(plain, new):
    for first, known in ((0, 0), (2, 3), (7, 0), (4, 5)):
        stream = [make_record(f"{n}", seconds=n % 3, offset=n) for n in range(first, first + 5)]
        assert write_records(plain, stream, FIRST, new).known == known
        assert write_records(plain, stream, FIRST, new).known == 5


def test_new_and_changed_records_are_counted_and_nothing_else(plain):
    assert write_records(plain, [], NEWEST).changed == 0
    first = [make_record("a"), make_record("b")]
    assert write_records(plain, first, NEWEST).changed == 2
    assert write_records(plain, iter(first), NEWEST).changed == 0
    later = [make_record(name, seconds=1, offset=1) for name in "ac"]
    assert write_records(plain, [*later, *first], NEWEST).changed == 2
    assert write_records(plain, later, FIRST).changed == 0


def test_partitions_and_offsets_are_ordered_as_numbers_however_they_are_stored(plain):
    small, large = make_record(offset=2**31 - 1), make_record(offset=2**31)
    for stream in ([small, large], [large, small]):
        write_in_batches(plain, stream, [1], NEWEST)
        assert stored_bytes(plain) == [bson.encode(large)]
        plain.delete_many({})


@pytest.mark.parametrize(("rival", "changed"), [(0, 1), (2, 0)])
def test_an_insert_that_was_overtaken_replaces_what_gives_way(plain, monkeypatch, rival, changed):
    """Somebody else inserts the same id after this write has looked for it."""
    mine, theirs = make_record("a", offset=1), make_record("a", offset=rival)

    def look_too_early(collection, ids):
        found = look(collection, ids)
        monkeypatch.undo()
        collection.insert_one(theirs)
        return found

    look = records.find_known
    monkeypatch.setattr(records, "find_known", look_too_early)
    written = write_records(plain, [mine, make_record("b")], NEWEST)
    assert (written.changed, written.refused) == (changed + 1, [])
    kept = mine if changed else theirs
    assert stored_bytes(plain) == [bson.encode(kept), bson.encode(make_record("b"))]


# What is refused


def sized(size, **place):
    record = make_record(**place, content="x")
    return record | {"content": "x" * (size - len(bson.encode(record)) + 1)}


BAD = {
    "the validator": make_record(content=7),
    "an int of nine bytes": make_record(content=2**63),
    "a lone surrogate": make_record(content="\ud800"),
    "a lone surrogate in the id": make_record("\ud800"),
    "a NUL in a key": make_record(content={"nul\0": 1}),
    "what is no value": make_record(content=object()),
    "nesting": make_record() | {"deep": reduce(lambda inner, _: [inner], range(190), [])},
    "parallel arrays": make_record() | {"metadata": {"title": ["a"], "artist_name": ["b"]}},
    "a byte too much": sized(LARGEST_DOCUMENT_BYTES + 1),
    "more than the server reads": sized(LARGEST_DOCUMENT_BYTES + 20_000),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_a_record_that_cannot_be_stored_is_named_and_keeps_no_other_out(plain, bad):
    plain.create_index([("metadata.artist_name", 1), ("metadata.title", 1)])
    others = [make_record("b"), make_record("c")]
    written = write_records(plain, [others[0], bad, others[1]], NEWEST)
    [(refused, why)] = written.refused
    assert refused is bad
    assert len(why) > 10
    assert stored_bytes(plain) == [bson.encode(other) for other in others]


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_a_newer_record_that_cannot_be_stored_leaves_the_older(plain, bad):
    plain.create_index([("metadata.artist_name", 1), ("metadata.title", 1)])
    older = make_record(seconds=-1)
    for stream in ([older], [bad, older], [older, bad]):
        refused = [record for record, _ in write_records(plain, stream, NEWEST).refused]
        assert refused == [record for record in stream if record is bad]
        assert stored_bytes(plain) == [bson.encode(older)]


def test_the_largest_document_is_stored(plain):
    largest = sized(LARGEST_DOCUMENT_BYTES)
    assert write_records(plain, [make_record(seconds=-1)], NEWEST).refused == []
    assert write_records(plain, [largest], NEWEST).refused == []
    assert [len(document) for document in stored_bytes(plain)] == [LARGEST_DOCUMENT_BYTES]


def test_all_that_are_refused_before_one_of_an_id_is_stored_are_named(plain):
    stream = [make_record(offset=offset, content=offset and 7) for offset in range(5)]
    other = make_record("b")
    written = write_records(plain, [*stream, other], NEWEST)
    assert [record["source"]["offset"] for record, _ in written.refused] == [4, 3, 2, 1]
    assert written.changed == 2
    assert stored_bytes(plain) == [bson.encode(stream[0]), bson.encode(other)]


def test_a_record_whose_key_belongs_to_another_is_refused(plain):
    plain.create_index("content", unique=True)
    write_records(plain, [make_record("a"), make_record("b", offset=1)], NEWEST)
    stream = [
        make_record("b", seconds=1, content="of 0/0"),
        make_record("c", content="of 0/0"),
        make_record("d", offset=3),
    ]
    written = write_records(plain, stream, NEWEST)
    assert [record["_id"] for record, _ in written.refused] == ["c", "b"]
    assert all("duplicate key" in why for _, why in written.refused)
    assert [bson.decode(item)["_id"] for item in stored_bytes(plain)] == ["a", "b", "d"]


# What fails


def test_a_write_that_was_not_acknowledged_as_asked_is_not_taken_for_done(plain):
    wanting = plain.with_options(write_concern=WriteConcern(w=3, wtimeout=100))
    with pytest.raises(BulkWriteError):
        write_records(wanting, [make_record("a")], NEWEST)
    with pytest.raises(BulkWriteError):
        write_records(wanting, [make_record("a", seconds=1), make_record("b")], NEWEST)


def test_a_command_that_fails_is_raised(database, plain):
    write_records(plain, [make_record("a")], NEWEST)
    database.create_collection("view", viewOn="plain")
    with pytest.raises(OperationFailure, match="view"):
        write_records(database["view"], [make_record("a", seconds=1)], NEWEST)
