"""What listeners did, all the way through Kafka into MongoDB, and windows of it read again."""

import json
import uuid
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import bson
import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from streams import keep_times_of_sending

from nocturne.errors import BadInput, ServiceUnavailable
from nocturne.sample.catalogue import list_good_tracks
from nocturne.sample.listening import write_listening
from nocturne.stream import listens, offsets
from nocturne.stream.dead_letters import read_letters
from nocturne.stream.listens import Window, load_listens, locate_window, publish_activity
from nocturne.stream.topics import Topic, ensure_topics

pytestmark = pytest.mark.integration
TEN_O_CLOCK = datetime(2026, 1, 15, 10, tzinfo=UTC)
TEN_MINUTES = timedelta(minutes=10)
EARLIER = datetime(2000, 1, 1, tzinfo=UTC)
LATER = datetime(2100, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def topic(kafka, monkeypatch):
    """A topic in place of user_activity, which others write to."""
    made = Topic(f"test.{uuid.uuid4().hex}", "of one test")
    monkeypatch.setattr(listens, "USER_ACTIVITY", made)
    return made


def make_event(event_id, user_id="listener-01", **changes):
    event = {
        "schema": 1,
        "event_id": event_id,
        "user_id": user_id,
        "track_id": "900001",
        "action": "listen",
        "at": "2026-01-15T09:59:48Z",
        "ms_played": 12000,
    }
    return event | changes


def write_events(folder: Path, events) -> Path:
    path = folder / "events.jsonl"
    path.write_text("".join(f"{json.dumps(event)}\n" for event in events), encoding="utf-8")
    return path


def send(kafka, topic, *messages):
    """Send (moment, event or bytes) in this order, as if each had been sent at its moment."""
    ensure_topics(kafka, (topic,))
    keep_times_of_sending(kafka, topic.name)
    producer = Producer({"bootstrap.servers": kafka["bootstrap.servers"]})
    for moment, event in messages:
        value = event if isinstance(event, bytes) else json.dumps(event).encode()
        key = "listener-01" if isinstance(event, bytes) else event["user_id"]
        producer.produce(topic.name, value, key, timestamp=int(moment.timestamp() * 1000))
        assert producer.flush(20) == 0


def load(kafka, database, window=None, limit=0.2):
    return load_listens(kafka, database, "run-1", limit, window)


def counts(read, changed, dead_letters=0):
    return {"read": read, "changed": changed, "dead_letters": dead_letters}


def read_bytes(database):
    return [bson.encode(event) for event in database["listens"].find().sort("_id")]


def read_offsets(database):
    return list(database["offsets"].find().sort("_id"))


def test_events_arrive_once_however_often_they_are_sent(kafka, database, tmp_path):
    path = write_events(tmp_path, [make_event("a"), make_event("b", "listener-02")])
    assert publish_activity(kafka, database, path) == 2
    assert publish_activity(kafka, database, path) == 2, "none was stored yet"
    assert load(kafka, database) == counts(4, 2)
    before = read_bytes(database)
    assert publish_activity(kafka, database, path) == 0
    assert load(kafka, database) == counts(0, 0)
    assert read_bytes(database) == before


def test_a_bad_line_keeps_the_whole_file_back(kafka, database, tmp_path):
    path = write_events(tmp_path, [make_event("a"), make_event("b", action="love")])
    with pytest.raises(BadInput, match="line 2: action"):
        publish_activity(kafka, database, path)
    assert load(kafka, database) == counts(0, 0)


def test_the_samples_events_load_completely_and_in_order(kafka, database, tmp_path):
    day = date(2026, 1, 14)
    write_listening(tmp_path / "listening", list_good_tracks(day, 3), day)
    path = tmp_path / "listening/user_activity.jsonl"
    events = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert publish_activity(kafka, database, path) == len(events)
    assert load(kafka, database) == counts(len(events), len(events))
    stored = list(database["listens"].find().sort([("at", 1), ("_id", 1)]))
    assert [event["_id"] for event in stored] == [event["event_id"] for event in events]
    for event, document in zip(events, stored, strict=True):
        expected = {"_id": event["event_id"], "at": datetime.fromisoformat(event["at"])}
        same = ("user_id", "track_id", "action", "ms_played")
        expected |= {name: event[name] for name in same}
        assert document.items() >= expected.items()


def test_of_one_event_id_the_record_that_was_sent_first_stays(kafka, topic, database):
    first, second = make_event("a"), make_event("a", ms_played=1)
    send(kafka, topic, (TEN_O_CLOCK, first), (TEN_O_CLOCK + TEN_MINUTES, second))
    assert load(kafka, database) == counts(2, 1)
    send(kafka, topic, (TEN_O_CLOCK + TEN_MINUTES, make_event("a", "listener-02")))
    assert load(kafka, database) == counts(1, 0)
    [stored] = database["listens"].find()
    assert (stored["ms_played"], stored["user_id"]) == (12000, "listener-01")


def test_the_first_stays_even_if_it_is_read_last(kafka, topic, database):
    send(kafka, topic, (TEN_O_CLOCK + TEN_MINUTES, make_event("a", "listener-02")))
    assert load(kafka, database) == counts(1, 1)
    send(kafka, topic, (TEN_O_CLOCK, make_event("a")))
    assert load(kafka, database) == counts(1, 1)
    [stored] = database["listens"].find()
    assert stored["user_id"] == "listener-01"
    assert stored["source"]["sent_at"] == TEN_O_CLOCK


@pytest.fixture
def three_intervals(kafka, topic, database, monkeypatch):
    """Six listens, two of each ten minutes from 10:00 on; both ends of the second hold one.

    Clocks agree here, so that a window ends where it says.
    """
    monkeypatch.setattr(offsets, "CLOCKS_DIFFER", timedelta(0))
    users = [f"listener-{number:02}" for number in range(6)]
    pauses = [0, TEN_MINUTES.seconds - 1, TEN_MINUTES.seconds, 1199, 1200, 1799]
    sent = [
        (TEN_O_CLOCK + timedelta(seconds=pause), make_event(user, user))
        for user, pause in zip(users, pauses, strict=True)
    ]
    send(kafka, topic, *sent)
    assert load(kafka, database) == counts(6, 6)
    return users


def test_a_window_restores_what_was_sent_in_it_and_nothing_else(kafka, database, three_intervals):
    window = Window(TEN_O_CLOCK + TEN_MINUTES, TEN_O_CLOCK + 2 * TEN_MINUTES)
    before, progress = read_bytes(database), read_offsets(database)
    database["listens"].delete_many({"_id": {"$in": three_intervals[1:5]}})
    assert load(kafka, database, window) == {
        **counts(0, 0),
        "replayed": {
            "start": "2026-01-15T10:10:00+00:00",
            "end": "2026-01-15T10:20:00+00:00",
            **counts(2, 2),
        },
    }
    left = {bson.decode(event)["_id"] for event in read_bytes(database)}
    assert left == {three_intervals[number] for number in (0, 2, 3, 5)}
    assert load(kafka, database, Window(EARLIER, LATER))["replayed"].items() >= counts(6, 2).items()
    assert read_bytes(database) == before
    assert read_offsets(database) == progress


def test_a_clock_that_is_ahead_hides_nothing_from_a_window(kafka, topic, database):
    """A record that seems to come from later stands before those of the window."""
    ahead = (TEN_O_CLOCK + timedelta(minutes=50), make_event("ahead"))
    inside = [(TEN_O_CLOCK + timedelta(minutes=1), make_event(name)) for name in "abc"]
    send(kafka, topic, ahead, *inside)
    load(kafka, database)
    database["listens"].delete_many({})
    load(kafka, database, Window(TEN_O_CLOCK, TEN_O_CLOCK + TEN_MINUTES))
    assert {listen["_id"] for listen in database["listens"].find()} >= {"a", "b", "c"}


def test_a_window_read_again_changes_nothing(kafka, database, three_intervals):
    before, progress = read_bytes(database), read_offsets(database)
    for _ in range(2):
        summary = load(kafka, database, Window(EARLIER, LATER))
        assert summary["replayed"].items() >= counts(6, 0).items()
    assert read_bytes(database) == before
    assert read_offsets(database) == progress


def test_windows_in_any_order_leave_the_same_bytes(kafka, database, three_intervals):
    before = read_bytes(database)
    database["listens"].delete_many({})
    for number in (2, 0, 1):
        start = TEN_O_CLOCK + number * TEN_MINUTES
        load(kafka, database, Window(start, start + TEN_MINUTES))
    assert read_bytes(database) == before


@pytest.mark.parametrize("hour", [9, 11])
def test_a_window_in_which_nothing_was_sent(kafka, database, three_intervals, hour):
    start = TEN_O_CLOCK.replace(hour=hour)
    summary = load(kafka, database, Window(start, start + TEN_MINUTES))
    assert summary["replayed"] == {
        "start": start.isoformat(),
        "end": (start + TEN_MINUTES).isoformat(),
        **counts(0, 0),
    }


def test_the_first_run_reads_what_is_new_before_its_window(kafka, topic, database):
    send(kafka, topic, (TEN_O_CLOCK, make_event("a")))
    summary = load(kafka, database, Window(TEN_O_CLOCK, TEN_O_CLOCK + TEN_MINUTES))
    assert summary.items() >= counts(1, 1).items()
    assert summary["replayed"].items() >= counts(1, 0).items()


def test_a_window_doubles_no_dead_letter(kafka, topic, database):
    send(kafka, topic, (TEN_O_CLOCK, make_event("a")), (TEN_O_CLOCK, b"no event"))
    assert load(kafka, database, limit=0.5) == counts(2, 1, 1)
    summary = load(kafka, database, Window(EARLIER, LATER), limit=0.5)
    assert summary["replayed"].items() >= counts(2, 0, 1).items()
    assert [letter.value for letter in read_letters(kafka, topic.dead_letter)] == [b"no event"]


def test_what_retention_has_removed_is_said(kafka, topic, database, caplog):
    moments = [TEN_O_CLOCK + number * TEN_MINUTES for number in range(3)]
    send(kafka, topic, *((moment, make_event(moment.isoformat())) for moment in moments))
    load(kafka, database)
    [partition] = {event["source"]["partition"] for event in database["listens"].find()}
    remove_before(kafka, topic, partition, 1)
    summary = load(kafka, database, Window(EARLIER, LATER))["replayed"]
    assert summary.items() >= {**counts(2, 0), "kept_since": moments[1].isoformat()}.items()
    assert f"is whole only since {moments[1]}" in caplog.text
    assert "kept_since" not in load(kafka, database, Window(moments[1], LATER))["replayed"]
    remove_before(kafka, topic, partition, 3)
    summary = load(kafka, database, Window(EARLIER, LATER))["replayed"]
    age = datetime.now(UTC) - datetime.fromisoformat(summary["kept_since"])
    assert summary.items() >= counts(0, 0).items()
    assert age < timedelta(minutes=1), "nothing that was sent before now is left"


def remove_before(kafka, topic, partition, offset):
    """As retention does, when its time has come."""
    admin = AdminClient({"bootstrap.servers": kafka["bootstrap.servers"]})
    [removed] = admin.delete_records([TopicPartition(topic.name, partition, offset)]).values()
    removed.result()


def test_time_has_an_index(kafka, database):
    load(kafka, database)
    plan = database["listens"].find({"at": {"$gte": EARLIER}}).sort("at").explain()
    stage = plan["queryPlanner"]["winningPlan"]["inputStage"]
    assert (stage["stage"], stage["keyPattern"]) == ("IXSCAN", {"at": 1})


def test_a_broker_that_is_away_is_named(free_port, monkeypatch):
    monkeypatch.setattr(offsets, "REQUEST_SECONDS", 1)
    away = {"bootstrap.servers": f"127.0.0.1:{free_port}", "log_level": 0}
    with pytest.raises(ServiceUnavailable, match=f"{free_port} failed while looking for a window"):
        locate_window(away, Window(EARLIER, LATER))
