"""The parts of the store that need no server: hashes, and which record of an id counts."""

import hashlib
import math
import struct
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymongo.errors import BulkWriteError

from nocturne.refusals import Refusal
from nocturne.store.collections import declare_collections
from nocturne.store.hashes import hash_content, hash_track
from nocturne.store.quarantine import describe_refusal
from nocturne.store.records import FIRST, NEWEST, choose_by_id, order_of, write_records

MIDNIGHT = datetime(2026, 11, 20, tzinfo=UTC)
TRACK = {
    "_id": "2",
    "metadata": {"title": "Food", "listens": 1, "genres": ["Rock", None]},
    "audio_sha256": "ab" * 32,
    "feature_set": "fma518-v1-22050",
    "features": [0.5, -1.0, 0.0],
}


def record(as_of, sent_at, partition=0, offset=0, track_id="1"):
    return {
        "_id": track_id,
        "content": f"{as_of} {sent_at} {partition} {offset}",
        "source": {
            "as_of": MIDNIGHT + timedelta(days=as_of),
            "sent_at": MIDNIGHT + timedelta(seconds=sent_at),
            "partition": partition,
            "offset": offset,
            "topic": "tracks.features",
        },
    }


# Hashes


def test_the_hash_is_that_of_the_canonical_json():
    text = '{"a":[1,2.5,null,true],"b":"Björk"}'
    content = {"b": "Björk", "a": [1, 2.5, None, True]}
    assert hash_content(content) == hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    "other",
    [{"a": 1, "b": [1, 2]}, {"a": 1.0, "b": [2, 1]}, {"a": 1}, {"a": "1", "b": [2, 1]}],
    ids=["order of a list", "kind of number", "a field less", "text"],
)
def test_different_contents_have_different_hashes(other):
    assert hash_content(other) != hash_content({"a": 1, "b": [2, 1]})


def test_the_hash_of_a_track_is_that_of_its_json_and_its_features_as_doubles():
    rest = {name: value for name, value in TRACK.items() if name != "features"}
    text = hash_content(rest).encode() + struct.pack("<3d", 0.5, -1.0, 0.0)
    assert hash_track(TRACK) == hashlib.sha256(text).hexdigest()
    assert hash_track(dict(reversed(TRACK.items()))) == hash_track(TRACK)
    assert hash_track(TRACK | {"features": [0.5, -1, 0]}) == hash_track(TRACK)


@pytest.mark.parametrize(
    "changes",
    [
        {"_id": "3"},
        {"metadata": {}},
        {"metadata": TRACK["metadata"] | {"title": "Food!"}},
        {"metadata": TRACK["metadata"] | {"listens": 1.0}},
        {"metadata": TRACK["metadata"] | {"genres": ["Rock"]}},
        {"metadata": TRACK["metadata"] | {"more": None}},
        {"audio_sha256": "cd" * 32},
        {"feature_set": "fma518-v1-44100"},
        {"features": [-1.0, 0.5, 0.0]},
        {"features": [0.5, -1.0, -0.0]},
        {"features": [0.5, -1.0]},
        {"features": [0.5, -1.0, 0.0, 0.0]},
        {"more": 1},
    ],
)
def test_any_change_of_a_track_changes_its_hash(changes):
    assert hash_track(TRACK | changes) != hash_track(TRACK)


@settings(deadline=None)
@given(data=st.data(), features=st.lists(st.floats(allow_nan=False), min_size=1, max_size=6))
def test_the_least_change_of_one_feature_changes_the_hash(data, features):
    place = data.draw(st.integers(0, len(features) - 1))
    towards = -math.inf if features[place] > 0 else math.inf
    other = [*features]
    other[place] = math.nextafter(features[place], towards)
    assert hash_track(TRACK | {"features": other}) != hash_track(TRACK | {"features": features})


# Which record of an id counts


def test_of_one_track_the_newest_as_of_counts_however_late_an_older_one_was_sent():
    records = [record(1, 9), record(2, 1), record(0, 10)]
    for order in permutations(records):
        assert choose_by_id(order, NEWEST) == [records[1]]


@pytest.mark.parametrize(("rule", "wins"), [(NEWEST, 1), (FIRST, 0)])
def test_of_one_as_of_the_time_of_sending_decides(rule, wins):
    records = [record(1, 1, 2, 9), record(1, 3, 0, 0), record(1, 2, 1, 4)]
    for order in permutations(records):
        assert choose_by_id(order, rule) == [records[wins]]


@pytest.mark.parametrize(("rule", "wins"), [(NEWEST, 2), (FIRST, 0)])
def test_of_one_moment_the_place_decides(rule, wins):
    records = [record(1, 1, 0, 9), record(1, 1, 1, 4), record(1, 1, 1, 5)]
    for order in permutations(records):
        assert choose_by_id(order, rule) == [records[wins]]


places = st.tuples(*[st.integers(0, 2)] * 4, st.sampled_from("ab"))


@pytest.mark.parametrize(("rule", "choose"), [(NEWEST, max), (FIRST, min)])
@settings(deadline=None)
@given(stream=st.lists(places, max_size=12))
def test_of_many_records_each_id_keeps_the_greatest_or_the_least(rule, choose, stream):
    records = [record(*place) for place in stream]
    chosen = {item["_id"]: item for item in choose_by_id(records, rule)}
    assert chosen == {
        name: choose((item for item in records if item["_id"] == name), key=order_of)
        for name in {item["_id"] for item in records}
    }
    assert len(chosen) == len(choose_by_id(records, rule))


def test_the_order_is_that_of_the_fields_of_the_source():
    source = record(1, 2, 3, 4)["source"]
    assert order_of({"source": source}) == tuple(source.values())
    turned = dict(reversed(source.items()))
    assert order_of({"source": turned}) == tuple(reversed(source.values()))


# What a failed write means


class FailedWrites:
    """A collection that holds nothing and whose bulk writes fail."""

    def __init__(self, *codes, write_concern_errors=()):
        errors = [
            {"index": index, "code": code, "errmsg": f"says {code}"}
            for index, code in enumerate(codes)
        ]
        self.details = {
            "writeErrors": errors,
            "writeConcernErrors": [*write_concern_errors],
            "nInserted": 1,
            "nModified": 0,
        }
        self.writes = 0

    def find(self, *_):
        return []

    def insert_many(self, *_, **__):
        self.writes += 1
        raise BulkWriteError(self.details)


RECORDS = [record(0, 0, track_id=name) for name in "abc"]


def test_what_mongodb_would_say_again_of_a_document_is_a_refusal():
    written = write_records(FailedWrites(121, 171), RECORDS, NEWEST)
    assert written.changed == 1
    assert written.refused == [(RECORDS[0], "says 121"), (RECORDS[1], "says 171")]


@pytest.mark.parametrize("codes", [(91,), (121, 189), (112, 11000), (13,), (64,)])
def test_every_other_failure_of_a_write_is_raised(codes):
    collection = FailedWrites(*codes)
    with pytest.raises(BulkWriteError):
        write_records(collection, RECORDS, NEWEST)
    assert collection.writes == 1


def test_what_was_not_acknowledged_is_raised_even_beside_refusals():
    with pytest.raises(BulkWriteError):
        write_records(FailedWrites(121, write_concern_errors=[{"code": 64}]), RECORDS, NEWEST)


# Other descriptions


def test_a_refusal_has_one_identity_in_a_run():
    refusal = Refusal("raw_tracks.csv", "2", "track_id_duplicate", "line 7 differs")
    document = describe_refusal("run-1", refusal)
    assert document == describe_refusal("run-1", refusal)
    assert (
        document.items()
        >= {
            "run_id": "run-1",
            "source": "raw_tracks.csv",
            "key": "2",
            "rule": "track_id_duplicate",
            "reason": "line 7 differs",
        }.items()
    )
    others = [
        describe_refusal("run-2", refusal),
        describe_refusal("run-1", Refusal("raw_tracks.csv", "2", refusal.rule, "line 8 differs")),
        describe_refusal("run-1", Refusal("raw_tracks.csv", "3", refusal.rule, refusal.reason)),
    ]
    assert len({item["_id"] for item in [document, *others]}) == 4


def test_the_tracks_collection_is_called_as_the_settings_say():
    names = [collection.name for collection in declare_collections("songs")]
    assert names[0] == "songs"
    assert "tracks" not in names
    assert len(set(names)) == len(names)


def test_a_schema_requires_what_it_declares():
    for collection in declare_collections():
        schema = collection.schema()
        assert set(schema["required"]) == set(schema["properties"]) == set(collection.required)
