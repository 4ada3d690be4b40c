"""Tracks: read back, and all the way through Kafka into MongoDB."""

import uuid
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pandas as pd
import pytest
from streams import hash_stored, make_topic, read_messages

from nocturne.errors import NocturneError, ServiceUnavailable
from nocturne.store.tracks import READ_BATCH, read_tracks, require_tracks
from nocturne.stream import topics, track_messages, tracks
from nocturne.stream.messages import TrackFeatures
from nocturne.stream.topics import Topic
from nocturne.stream.track_messages import make_messages, publish_tracks
from nocturne.stream.tracks import find_stored, ingest_tracks

pytestmark = pytest.mark.integration
MIDNIGHT = datetime(2026, 11, 20, tzinfo=UTC)
FEATURE_SET = "fma518-v1-22050"


def stored_in(collection):
    return list(collection.find().sort("_id"))


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
    made = make_topic(kafka)
    for module in (track_messages, tracks):
        monkeypatch.setattr(module, "TRACKS_FEATURES", made)
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


def publish(kafka, frame=None, days=0, run_id="run-1", stored=None):
    """How many were sent; all of them if nothing is known to be stored."""
    frame = make_frame() if frame is None else frame
    as_of = MIDNIGHT + timedelta(days=days)
    return publish_tracks(kafka, frame, as_of, run_id, FEATURE_SET, stored or {})


def ingest(kafka, database, collection="tracks"):
    report = ingest_tracks(kafka, database, collection, "run-1", 0.2).run()
    assert report.dead_letters == 0
    return report.read, report.changed


def test_tracks_arrive_as_they_were_sent(kafka, topic, database):
    assert publish(kafka) == 5
    assert ingest(kafka, database) == (5, 5)
    assert ingest(kafka, database) == (0, 0)
    stored = stored_in(database["tracks"])
    assert [track["_id"] for track in stored] == ["0", "1", "2", "3", "4"]
    assert {track["run_id"] for track in stored} == {"run-1"}
    assert {track["source"]["as_of"] for track in stored} == {MIDNIGHT}
    assert stored[0]["metadata"] == {"title": "Song 0", "listens": None}
    assert stored[3]["metadata"] == {"title": "Song 3", "listens": 3}
    assert stored[3]["features"] == [3.0] * 518


def test_the_source_says_where_and_when_a_track_was_sent(kafka, topic, database):
    publish(kafka)
    ingest(kafka, database)
    sent = {message.key().decode(): message for message in read_messages(kafka, topic.name)}
    for track in stored_in(database["tracks"]):
        message, source = sent[track["_id"]], track["source"]
        assert (source["partition"], source["offset"]) == (message.partition(), message.offset())
        assert source["sent_at"].timestamp() * 1000 == pytest.approx(message.timestamp()[1])
        assert source["topic"] == topic.name
        assert TrackFeatures.model_validate_json(message.value()).run_id == "run-1"


def test_what_is_stored_is_not_sent_again(kafka, topic, database):
    publish(kafka)
    ingest(kafka, database)
    before = hash_stored(database)
    stored = find_stored(kafka, database, "tracks", MIDNIGHT)
    sent = make_messages(make_frame(), MIDNIGHT, "run-2", FEATURE_SET)
    assert stored == {message.track_id: message.content_sha256() for message in sent}
    assert publish(kafka, run_id="run-2", stored=stored) == 0
    assert ingest(kafka, database) == (0, 0)
    assert hash_stored(database) == before


def test_of_stored_tracks_the_changed_and_the_new_are_sent(kafka, topic, database):
    publish(kafka)
    ingest(kafka, database)
    changed = make_frame(6)
    changed.loc[3, "title"] = "Drink"
    stored = find_stored(kafka, database, "tracks", MIDNIGHT)
    assert publish(kafka, changed, run_id="run-2", stored=stored) == 2
    assert ingest(kafka, database) == (2, 2)
    by_run = [track["_id"] for track in database["tracks"].find({"run_id": "run-2"})]
    assert sorted(by_run) == ["3", "5"]


def test_nothing_counts_as_stored_while_the_topic_holds_what_is_not(kafka, topic, database):
    """What is unread would come to stand before what a run sends now, were that left out."""
    publish(kafka)
    ingest(kafka, database)
    publish(kafka, make_frame().assign(title="A mistake"), run_id="run-2")
    assert find_stored(kafka, database, "tracks", MIDNIGHT) == {}
    assert publish(kafka, run_id="run-3", stored={}) == 5
    ingest(kafka, database)
    assert {track["run_id"] for track in stored_in(database["tracks"])} == {"run-3"}
    assert len(find_stored(kafka, database, "tracks", MIDNIGHT)) == 5


def test_what_is_stored_of_another_day_or_elsewhere_does_not_count(kafka, topic, database):
    publish(kafka)
    ingest(kafka, database)
    assert find_stored(kafka, database, "tracks", MIDNIGHT + timedelta(days=1)) == {}
    assert find_stored(kafka, database, "songs", MIDNIGHT) == {}


def test_before_the_first_night_nothing_is_stored(kafka, database, monkeypatch):
    monkeypatch.setattr(tracks, "TRACKS_FEATURES", Topic(f"test.{uuid.uuid4().hex}", "not made"))
    assert find_stored(kafka, database, "tracks", MIDNIGHT) == {}


def test_a_broker_that_is_away_is_named_before_anything_is_sent(database, free_port, monkeypatch):
    monkeypatch.setattr(topics, "CREATE_SECONDS", 1)
    away = {"bootstrap.servers": f"127.0.0.1:{free_port}", "log_level": 0}
    with pytest.raises(ServiceUnavailable, match=str(free_port)):
        find_stored(away, database, "tracks", MIDNIGHT)


def test_what_is_sent_again_of_a_day_is_the_newest_of_it(kafka, topic, database):
    publish(kafka)
    ingest(kafka, database)
    publish(kafka, run_id="run-2")
    assert ingest(kafka, database) == (5, 5)
    assert {track["run_id"] for track in stored_in(database["tracks"])} == {"run-2"}


def test_a_backfill_of_an_older_day_changes_nothing(kafka, topic, database):
    publish(kafka)
    ingest(kafka, database)
    before = hash_stored(database)
    older = make_frame().assign(title="As it was called then")
    assert publish(kafka, older, days=-3, run_id="backfill") == 5
    assert ingest(kafka, database) == (5, 0)
    assert hash_stored(database) == before


def test_each_collection_reads_the_topic_for_itself(kafka, topic, database):
    publish(kafka)
    assert ingest(kafka, database) == (5, 5)
    assert ingest(kafka, database, "songs") == (5, 5)
    assert hash_stored(database, "songs") == hash_stored(database)


def test_messages_are_keyed_so_that_a_track_keeps_its_order(kafka, topic, database):
    for days in range(3):
        publish(kafka, days=days)
    ingest(kafka, database)
    by_partition = {}
    for track in stored_in(database["tracks"]):
        source = track["source"]
        by_partition.setdefault(source["partition"], []).append(source["offset"])
    for offsets in by_partition.values():
        assert all(later - earlier == 1 for earlier, later in pairwise(sorted(offsets)))
        assert max(offsets) == 3 * len(offsets) - 1


def test_a_vector_of_another_length_stops_the_publishing(kafka, topic):
    broken = make_frame()
    broken.at[4, "features"] = [0.5]
    with pytest.raises(ValueError, match="518"):
        publish(kafka, broken)


def test_publishing_to_a_broker_that_is_away_fails(free_port, monkeypatch):
    monkeypatch.setattr(topics, "CREATE_SECONDS", 1)
    away = {"bootstrap.servers": f"127.0.0.1:{free_port}", "log_level": 0}
    with pytest.raises(ServiceUnavailable, match=str(free_port)):
        publish(away)
