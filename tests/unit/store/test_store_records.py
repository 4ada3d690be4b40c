"""The parts of the store that need no server: hashes, and which record of a batch counts."""

import hashlib
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest

from nocturne.refusals import Refusal
from nocturne.store.collections import declare_collections
from nocturne.store.quarantine import describe_refusal
from nocturne.store.tracks import hash_content, newest_by_id
from nocturne.store.versions import describe_rows

MIDNIGHT = datetime(2026, 11, 20, tzinfo=UTC)


def record(as_of, sent_at, content="A", track_id="1"):
    return {
        "_id": track_id,
        "as_of": MIDNIGHT + timedelta(days=as_of),
        "sent_at": MIDNIGHT + timedelta(seconds=sent_at),
        "content_sha256": content,
    }


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


def test_of_one_track_the_newest_as_of_counts_however_late_an_older_one_was_sent():
    records = [record(1, 9), record(2, 1), record(0, 10)]
    for order in permutations(records):
        assert newest_by_id(order) == {"1": records[1]}


def test_of_one_as_of_the_record_sent_later_counts():
    records = [record(1, 1, "A"), record(1, 3, "B"), record(1, 2, "C")]
    for order in permutations(records):
        assert newest_by_id(order) == {"1": records[1]}


def test_of_one_moment_the_record_that_comes_later_counts():
    records = [record(1, 1, "A"), record(1, 1, "B")]
    assert newest_by_id(records)["1"]["content_sha256"] == "B"
    assert newest_by_id(records[::-1])["1"]["content_sha256"] == "A"


def test_the_same_content_sent_again_changes_nothing():
    records = [record(1, 1), record(1, 2)]
    assert newest_by_id(records) == {"1": records[0]}


def test_tracks_do_not_touch_each_other():
    records = [record(1, 1, track_id="1"), record(0, 0, track_id="2")]
    assert newest_by_id(records) == {"1": records[0], "2": records[1]}


def test_rows_are_described_by_count_and_hash_over_their_order():
    rows = [{"_id": "v/1", "score": 0.5}, {"_id": "v/2", "score": 0.25}]
    described = describe_rows(iter(rows))
    assert described["rows"] == 2
    assert described == describe_rows(iter([dict(reversed(row.items())) for row in rows]))
    for other in (rows[::-1], rows[:1], [rows[0], {"_id": "v/2", "score": 0.250001}]):
        assert describe_rows(iter(other)) != described


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
