"""Collections, upserts against a model, and tracks all the way through Kafka into MongoDB."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pandas as pd
import pytest
from bson.int64 import Int64
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo import WriteConcern
from pymongo.errors import BulkWriteError, WriteError

from nocturne.errors import NocturneError, ServiceUnavailable
from nocturne.store import collections
from nocturne.store.collections import Collection, declare_collections, ensure_collections
from nocturne.store.tracks import (
    READ_BATCH,
    hash_content,
    read_tracks,
    require_tracks,
    upsert_tracks,
)
from nocturne.stream import ingest, topics, tracks
from nocturne.stream.topics import Topic, ensure_topics
from nocturne.stream.tracks import load_tracks, publish_tracks

pytestmark = pytest.mark.integration
MIDNIGHT = datetime(2026, 11, 20, tzinfo=UTC)
FEATURE_SET = "fma518-v1-22050"
DATABASE_EXAMPLES = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def make_track(track_id="2", title="Food", **changes):
    content = {
        "_id": track_id,
        "metadata": {"title": title, "artist_name": "AWOL"},
        "audio_sha256": "ab" * 32,
        "feature_set": FEATURE_SET,
        "features": [0.5] * 518,
    }
    track = {
        **content,
        "content_sha256": hash_content(content),
        "as_of": MIDNIGHT,
        "sent_at": MIDNIGHT,
        "run_id": "run-1",
        "source": {"topic": "tracks.features", "partition": 0, "offset": 0},
    }
    return track | changes


def make_record(as_of, sent_at, content, track_id="a"):
    """A record with only the fields that decide what an upsert does."""
    return {
        "_id": track_id,
        "as_of": MIDNIGHT + timedelta(days=as_of),
        "sent_at": MIDNIGHT + timedelta(seconds=sent_at),
        "content_sha256": content,
    }


def stored_in(collection):
    return list(collection.find().sort("_id"))


# Collections


def test_collections_are_made_once_with_validators_and_indexes(database):
    ensure_collections(database)
    ensure_collections(database)
    found = {item["name"]: item for item in database.list_collections()}
    declared = declare_collections()
    assert set(found) == {collection.name for collection in declared}
    for collection in declared:
        options = found[collection.name]["options"]
        expected = {"$jsonSchema": collection.schema()} if collection.required else {}
        assert options.get("validator", {}) == expected
        indexes = database[collection.name].index_information().values()
        keys = [list(index["key"]) for index in indexes]
        assert keys == [[("_id", 1)], *collection.indexes]


def test_a_changed_declaration_reaches_a_collection_that_exists(database, monkeypatch):
    database["things"].insert_one({"_id": 1, "old": True})
    for required in ({"name": "string"}, {"name": "string", "size": "int"}, {}):
        declared = Collection("things", required, [[("name", 1)]])
        monkeypatch.setattr(collections, "declare_collections", lambda _, it=declared: [it])
        ensure_collections(database)
        [found] = database.list_collections()
        validator = found["options"].get("validator", {})
        assert validator == ({"$jsonSchema": declared.schema()} if required else {})
    assert database["things"].count_documents({}) == 1
    assert set(database["things"].index_information()) == {"_id_", "name_1"}


def test_tasks_that_begin_together_do_not_disturb_each_other(database):
    with ThreadPoolExecutor(4) as pool:
        for made in [pool.submit(ensure_collections, database) for _ in range(4)]:
            made.result()
    assert len(database.list_collection_names()) == len(declare_collections())


def test_the_tracks_collection_has_the_name_that_the_settings_give(database):
    ensure_collections(database, "songs")
    assert "songs" in database.list_collection_names()
    assert "tracks" not in database.list_collection_names()
    with pytest.raises(WriteError):
        database["songs"].insert_one({"_id": "2"})


def test_the_validator_refuses_bad_tracks_and_the_upsert_says_so(database):
    ensure_collections(database)
    for changes in (
        {"_id": 2},
        {"features": [0.5] * 517},
        {"features": [0.5] * 519},
        {"features": [*[0.5] * 517, 1]},
        {"features": [*[0.5] * 517, None]},
        {"features": "none"},
        {"metadata": []},
        {"metadata": None},
        {"as_of": "2026-11-20"},
        {"audio_sha256": None},
        {"source": "Kafka"},
    ):
        with pytest.raises(BulkWriteError, match="Document failed validation"):
            upsert_tracks(database["tracks"], [make_track(**changes)])
    assert database["tracks"].count_documents({}) == 0


def test_the_validator_requires_every_field(database):
    ensure_collections(database)
    whole = make_track()
    for missing in whole.keys() - {"_id"}:
        rest = {name: value for name, value in whole.items() if name != missing}
        with pytest.raises(WriteError, match="Document failed validation"):
            database["tracks"].insert_one(rest)
    database["tracks"].insert_one(whole)


def test_the_validators_of_the_other_collections_refuse_what_is_not_theirs(database):
    ensure_collections(database)
    database["offsets"].insert_one({"_id": "good", "next_offset": Int64(3)})
    bad = [
        ("offsets", {"next_offset": "3"}),
        ("quarantine", {"run_id": "run-1", "source": "a.mp3", "key": "2", "rule": "silent"}),
        ("models", {"data_date": "2026-11-19", "run_id": "run-1", "state": "candidate"}),
        ("similar_tracks", {"version": "v1", "track_id": "2", "similar": {}}),
    ]
    for name, document in bad:
        with pytest.raises(WriteError, match="Document failed validation"):
            database[name].insert_one(document)


# Upserts


def test_new_and_changed_tracks_are_counted_and_nothing_else(database):
    ensure_collections(database)
    collection = database["tracks"]
    assert upsert_tracks(collection, []) == 0
    assert upsert_tracks(collection, [make_track("1"), make_track("2")]) == 2
    assert upsert_tracks(collection, [make_track("1"), make_track("2")]) == 0
    later = {"sent_at": MIDNIGHT + timedelta(seconds=1)}
    batch = [make_track("1", title="Drink", **later), make_track("2", **later), make_track("3")]
    assert upsert_tracks(collection, batch) == 2
    assert [track["metadata"]["title"] for track in stored_in(collection)] == [
        "Drink",
        "Food",
        "Food",
    ]


@pytest.mark.parametrize(
    ("as_of", "sent_at", "content", "wins"),
    [
        (1, 5, "A", False),
        (1, 9, "A", False),
        (1, 9, "B", True),
        (1, 5, "B", True),
        (1, 4, "B", False),
        (0, 9, "A", False),
        (0, 9, "B", False),
        (2, 9, "A", True),
        (2, 1, "A", True),
        (2, 1, "B", True),
    ],
)
def test_what_replaces_a_record_of_day_1_sent_at_5_with_content_a(
    database, as_of, sent_at, content, wins
):
    kept, other = make_record(1, 5, "A"), make_record(as_of, sent_at, content)
    database["plain"].insert_one(kept)
    assert upsert_tracks(database["plain"], [other]) == int(wins)
    assert stored_in(database["plain"]) == [other if wins else kept]


moments = st.integers(0, 3)
track_ids = st.sampled_from("ab")


def apply_in_batches(collection, records, sizes):
    """Upsert the records in batches of these sizes, over and over; how many changed something."""
    changed, start = 0, 0
    while start < len(records):
        for size in sizes:
            changed += upsert_tracks(collection, records[start : start + size])
            start += size
    return changed


@DATABASE_EXAMPLES
@given(
    data=st.data(),
    keys=st.lists(st.tuples(track_ids, moments, moments), min_size=1, max_size=8, unique=True),
    sizes=st.lists(st.integers(1, 5), min_size=1, max_size=3),
)
def test_records_in_any_order_and_number_end_in_the_newest(database, data, keys, sizes):
    """Records that differ: of each track the one of the greatest (as_of, sent_at) is stored."""
    records = [
        make_record(as_of, sent_at, f"{as_of}/{sent_at}", track_id)
        for track_id, as_of, sent_at in keys
    ]
    repeated = data.draw(st.lists(st.sampled_from(records), max_size=6))
    stream = data.draw(st.permutations(records + repeated))
    database["plain"].delete_many({})
    apply_in_batches(database["plain"], stream, sizes)
    newest = {}
    for record in sorted(records, key=lambda item: (item["as_of"], item["sent_at"])):
        newest[record["_id"]] = record
    assert stored_in(database["plain"]) == [newest[name] for name in sorted(newest)]
    assert apply_in_batches(database["plain"], stream[::-1], sizes) == 0


@DATABASE_EXAMPLES
@given(records=st.lists(st.tuples(track_ids, moments, moments, st.sampled_from("AB")), max_size=10))
def test_one_by_one_every_record_does_what_the_rule_says(database, records):
    database["plain"].delete_many({})
    model = {}
    for track_id, as_of, sent_at, content in records:
        record = make_record(as_of, sent_at, content, track_id)
        kept = model.get(track_id)
        newer = kept is None or record["as_of"] > kept["as_of"]
        if not newer and record["as_of"] == kept["as_of"]:
            newer = record["content_sha256"] != content_of(kept) and not sent_before(record, kept)
        if newer:
            model[track_id] = record
        assert upsert_tracks(database["plain"], [record]) == int(newer)
        assert stored_in(database["plain"]) == [model[name] for name in sorted(model)]


def content_of(record):
    return record["content_sha256"]


def sent_before(record, other):
    return record["sent_at"] < other["sent_at"]


@DATABASE_EXAMPLES
@given(
    stream=st.lists(
        st.tuples(moments, st.integers(0, 1), st.sampled_from("AB")), min_size=1, max_size=8
    ),
    sizes=st.lists(st.integers(1, 5), min_size=1, max_size=3),
    restarts=st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=3),
)
def test_a_topic_read_with_crashes_and_replays_ends_where_it_ends(
    database, stream, sizes, restarts
):
    """Each record is sent no earlier than the one before it; contents come and go and return."""
    records, sent_at = [], 0
    for as_of, pause, content in stream:
        sent_at += pause
        records.append(make_record(as_of, sent_at, content))
    database["plain"].delete_many({})
    for start, end in [*restarts, (0, len(records))]:
        apply_in_batches(database["plain"], records[start:end], sizes)
    last = max(enumerate(records), key=lambda item: (item[1]["as_of"], item[0]))[1]
    [stored] = stored_in(database["plain"])
    assert (stored["as_of"], content_of(stored)) == (last["as_of"], content_of(last))


def test_one_bad_track_does_not_hide_behind_stale_ones(database):
    ensure_collections(database)
    upsert_tracks(database["tracks"], [make_track("1")])
    batch = [make_track("1"), make_track("2", features=[]), make_track("3")]
    with pytest.raises(BulkWriteError, match="Document failed validation"):
        upsert_tracks(database["tracks"], batch)
    assert [track["_id"] for track in stored_in(database["tracks"])] == ["1", "3"]


def test_a_write_that_was_not_acknowledged_as_asked_is_not_taken_for_done(database):
    wanting = database["plain"].with_options(write_concern=WriteConcern(w=3, wtimeout=100))
    with pytest.raises(BulkWriteError):
        upsert_tracks(wanting, [make_record(1, 1, "A")])
    database["plain"].update_one({}, {"$set": {"as_of": MIDNIGHT + timedelta(days=9)}})
    with pytest.raises(BulkWriteError):
        upsert_tracks(wanting, [make_record(1, 1, "A"), make_record(1, 1, "A", "b")])


# Reading back


def test_tracks_are_read_by_id_across_batches(database):
    names = [f"{number:04d}" for number in range(2 * READ_BATCH + 3)]
    database["plain"].insert_many([{"_id": name, "a": 1, "b": 2} for name in reversed(names)])
    found = list(read_tracks(database["plain"], [*names[::-1], "absent"], ["a"]))
    assert [track["_id"] for track in found] == names
    assert found[0] == {"_id": "0000", "a": 1}
    assert list(read_tracks(database["plain"], [], ["a"])) == []


def test_tracks_that_were_sent_but_are_not_stored_are_named(database):
    database["plain"].insert_many([{"_id": name} for name in "abc"])
    require_tracks(database["plain"], set("abc"))
    with pytest.raises(NocturneError, match=r"2 of 3 tracks .* \w+\.plain: x, y\. Run load_tracks"):
        require_tracks(database["plain"], set("axy"))


# Through Kafka


@pytest.fixture
def topic(kafka, monkeypatch):
    """A topic in place of tracks.features, which the nightly test fills."""
    made = Topic(f"test.{datetime.now(UTC).timestamp()}", "of one test")
    ensure_topics(kafka, (made,))
    monkeypatch.setattr(tracks, "TRACKS_FEATURES", made)
    monkeypatch.setattr(ingest, "POLL_SECONDS", 0.1)
    return made


def make_frame(count=5):
    return pd.DataFrame(
        {
            "track_id": [str(number) for number in range(count)],
            "title": [f"Song {number}" for number in range(count)],
            "listens": pd.array([None, *range(1, count)], dtype="Int64"),
            "audio_bytes": 1000,
            "audio_sha256": "ab" * 32,
            "features": [[float(number)] * 518 for number in range(count)],
        }
    )


def test_tracks_arrive_as_they_were_sent_and_only_once(kafka, topic, database):
    for run_id, changed in (("run-1", 5), ("run-2", 0)):
        assert publish_tracks(kafka, make_frame(), MIDNIGHT, run_id, FEATURE_SET) == 5
        report = load_tracks(kafka, database, "tracks", run_id, 0.2)
        assert (report.read, report.changed, report.dead_letters) == (5, changed, 0)
    stored = stored_in(database["tracks"])
    assert [track["_id"] for track in stored] == ["0", "1", "2", "3", "4"]
    assert {track["run_id"] for track in stored} == {"run-1"}
    assert {track["as_of"] for track in stored} == {MIDNIGHT}
    assert stored[0]["metadata"] == {"title": "Song 0", "listens": None}
    assert stored[3]["metadata"] == {"title": "Song 3", "listens": 3}
    assert stored[3]["features"] == [3.0] * 518


def test_a_backfill_of_an_older_day_changes_nothing(kafka, topic, database):
    publish_tracks(kafka, make_frame(), MIDNIGHT, "run-1", FEATURE_SET)
    load_tracks(kafka, database, "tracks", "run-1", 0.2)
    before = stored_in(database["tracks"])
    older = make_frame().assign(title="As it was called then")
    publish_tracks(kafka, older, MIDNIGHT - timedelta(days=3), "backfill", FEATURE_SET)
    assert load_tracks(kafka, database, "tracks", "backfill", 0.2).changed == 0
    assert stored_in(database["tracks"]) == before


def test_each_collection_reads_the_topic_for_itself(kafka, topic, database):
    publish_tracks(kafka, make_frame(), MIDNIGHT, "run-1", FEATURE_SET)
    assert load_tracks(kafka, database, "tracks", "run-1", 0.2).read == 5
    assert load_tracks(kafka, database, "songs", "run-1", 0.2).read == 5
    assert stored_in(database["songs"]) == stored_in(database["tracks"])


def test_messages_are_keyed_so_that_a_track_keeps_its_order(kafka, topic, database):
    for day in range(3):
        publish_tracks(kafka, make_frame(), MIDNIGHT + timedelta(days=day), "run-1", FEATURE_SET)
    load_tracks(kafka, database, "tracks", "run-1", 0.2)
    places = {
        track["_id"]: (track["source"]["partition"], track["source"]["offset"])
        for track in stored_in(database["tracks"])
    }
    by_partition = {}
    for partition, offset in places.values():
        by_partition.setdefault(partition, []).append(offset)
    for offsets in by_partition.values():
        assert all(later - earlier == 1 for earlier, later in pairwise(sorted(offsets)))
        assert max(offsets) == 3 * len(offsets) - 1


def test_a_vector_of_another_length_stops_the_publishing(kafka, topic):
    broken = make_frame()
    broken.at[4, "features"] = [0.5]
    with pytest.raises(ValueError, match="518"):
        publish_tracks(kafka, broken, MIDNIGHT, "run-1", FEATURE_SET)


def test_publishing_to_a_broker_that_is_away_fails(free_port, monkeypatch):
    monkeypatch.setattr(topics, "CREATE_SECONDS", 1)
    away = {"bootstrap.servers": f"127.0.0.1:{free_port}", "log_level": 0}
    with pytest.raises(ServiceUnavailable, match=str(free_port)):
        publish_tracks(away, make_frame(), MIDNIGHT, "run-1", FEATURE_SET)
