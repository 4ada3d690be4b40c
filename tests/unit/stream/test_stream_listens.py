"""The contract of user_activity, and files of events."""

import json
from datetime import UTC, date, datetime
from pathlib import Path

import bson
import pytest
from pydantic import ValidationError

from nocturne.errors import BadInput
from nocturne.sample.catalogue import list_good_tracks
from nocturne.sample.listening import write_listening
from nocturne.stream.listens import read_activity
from nocturne.stream.messages import UserActivity

GOOD = {
    "schema": 1,
    "event_id": "9f1c",
    "user_id": "listener-01",
    "track_id": "900001",
    "action": "listen",
    "at": "2026-11-19T20:15:30.250Z",
    "ms_played": 12000,
}
DAY_MS = 24 * 60 * 60 * 1000


def parse(**changes):
    return UserActivity.model_validate_json(json.dumps(GOOD | changes))


def test_a_good_message_becomes_its_document():
    message = parse()
    assert message.key() == "listener-01"
    assert message.to_document() == {
        "_id": "9f1c",
        "user_id": "listener-01",
        "track_id": "900001",
        "action": "listen",
        "at": datetime(2026, 11, 19, 20, 15, 30, 250_000, tzinfo=UTC),
        "ms_played": 12000,
    }


def test_a_message_survives_its_own_json():
    message = parse()
    assert UserActivity.model_validate_json(message.model_dump_json(by_alias=True)) == message


def test_when_it_was_sent_alone_orders_the_records_of_an_event():
    assert parse().precedence() == {}


@pytest.mark.parametrize(
    "changes",
    [
        {"action": "like"},
        {"action": "skip"},
        {"action": "hide"},
        {"ms_played": 0},
        {"ms_played": DAY_MS},
        {"track_id": "spotify:track:6rqhFgbbKwnb9MLmUQDhG6"},
        {"event_id": "ü" * 200},
        {"at": "2000-01-01T00:00:00Z"},
        {"at": "9999-12-31T23:59:59.999Z"},
    ],
)
def test_all_that_keeps_the_contract_can_be_stored(changes):
    document = parse(**changes).to_document()
    stored = bson.decode(bson.encode(document), bson.CodecOptions(tz_aware=True, tzinfo=UTC))
    assert stored == document


@pytest.mark.parametrize(
    ("at", "moment"),
    [
        ("2026-11-19T22:15:30+02:00", datetime(2026, 11, 19, 20, 15, 30, tzinfo=UTC)),
        ("2026-11-19T20:15:30.2509Z", datetime(2026, 11, 19, 20, 15, 30, 250_000, tzinfo=UTC)),
    ],
)
def test_moments_become_what_mongodb_stores(at, moment):
    assert parse(at=at).at == moment
    assert parse(at=at).at.tzinfo is UTC


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"schema": 2}, "schema"),
        ({"schema": "1"}, "schema"),
        ({"event_id": ""}, "event_id"),
        ({"event_id": "1" * 201}, "event_id"),
        ({"event_id": 7}, "event_id"),
        ({"user_id": ""}, "user_id"),
        ({"user_id": None}, "user_id"),
        ({"track_id": 900001}, "track_id"),
        ({"action": "Listen"}, "action"),
        ({"action": "love"}, "action"),
        ({"at": "yesterday"}, "at"),
        ({"at": "2026-11-19T20:15:30"}, "at"),
        ({"at": "0001-01-01T00:00:00+14:00"}, "at"),
        ({"at": "9999-12-31T23:59:59-14:00"}, "at"),
        ({"ms_played": -1}, "ms_played"),
        ({"ms_played": DAY_MS + 1}, "ms_played"),
        ({"ms_played": 1.5}, "ms_played"),
        ({"ms_played": 12.0}, "ms_played"),
        ({"ms_played": "12000"}, "ms_played"),
        ({"ms_played": True}, "ms_played"),
        ({"ms_played": None}, "ms_played"),
        ({"more": 1}, "more"),
    ],
)
def test_breaches_of_the_contract_are_refused(changes, where):
    with pytest.raises(ValidationError) as caught:
        parse(**changes)
    assert ".".join(map(str, caught.value.errors()[0]["loc"])) == where


@pytest.mark.parametrize("missing", sorted(GOOD))
def test_every_field_is_required(missing):
    rest = {name: value for name, value in GOOD.items() if name != missing}
    with pytest.raises(ValidationError, match=missing):
        UserActivity.model_validate_json(json.dumps(rest))


def write_lines(folder: Path, *lines: bytes) -> Path:
    path = folder / "events.jsonl"
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path


def test_a_file_is_read_in_its_order(tmp_path):
    events = [json.dumps(GOOD | {"event_id": name}).encode() for name in "cab"]
    path = write_lines(tmp_path, *events)
    assert [event.event_id for event in read_activity(path)] == ["c", "a", "b"]
    path.write_bytes(path.read_bytes().rstrip())
    assert len(list(read_activity(path))) == 3
    assert list(read_activity(write_lines(tmp_path))) == []


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"{", "Invalid JSON"),
        (b"[]", "object"),
        (b"\xff", "Invalid JSON"),
        (json.dumps(GOOD | {"action": "love"}).encode(), "action: Input should be 'listen'"),
        (json.dumps(GOOD | {"at": "2026-11-19"}).encode(), "at: "),
    ],
)
def test_a_bad_line_is_named(tmp_path, line, words):
    path = write_lines(tmp_path, json.dumps(GOOD).encode(), line)
    with pytest.raises(BadInput, match=f"{path}, line 2: .*{words}") as caught:
        list(read_activity(path))
    assert ": : " not in str(caught.value)


@pytest.mark.parametrize("name", ["nowhere.jsonl", "."])
def test_a_file_that_cannot_be_read_is_named(tmp_path, name):
    with pytest.raises(BadInput, match=str(tmp_path)):
        list(read_activity(tmp_path / name))


def test_the_samples_events_keep_the_contract(tmp_path):
    last_day = date(2026, 11, 19)
    write_listening(tmp_path / "listening", list_good_tracks(last_day, 3), last_day)
    events = list(read_activity(tmp_path / "listening/user_activity.jsonl"))
    assert len(events) > 1000
    assert {event.action for event in events} == {"listen", "like", "skip", "hide"}
    assert [event.at for event in events] == sorted(event.at for event in events)


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", [b"", b"\n", b"\n\n  \n", b"\r\n\r\n"])
def test_marks_and_blank_lines_are_no_events(tmp_path, mark, end):
    path = tmp_path / "events.jsonl"
    path.write_bytes(mark + b"\n" + json.dumps(GOOD).encode() + end)
    assert [event.event_id for event in read_activity(path)] == [GOOD["event_id"]]
