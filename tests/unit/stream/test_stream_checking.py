"""What a message must be: the rules, on messages as a consumer gives them."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from confluent_kafka import Message

from nocturne.errors import NocturneError
from nocturne.stream.checking import Checked, check_batch, check_message
from nocturne.stream.dead_letters import Poison
from nocturne.stream.headers import SENT_FIRST
from nocturne.stream.messages import TrackFeatures, UserActivity
from nocturne.stream.reading import Batch
from nocturne.stream.topics import Topic

TOPIC = Topic("plays", "of a test", largest_message_bytes=20_000)
SENT_AT = datetime(2026, 11, 20, 3, 0, 0, 7000, tzinfo=UTC)
TRACK = {
    "schema": 1,
    "track_id": "é",
    "as_of": "2026-11-20T02:00:00Z",
    "run_id": "run-1",
    "metadata": {"title": "Food"},
    "audio_sha256": "ab" * 32,
    "feature_set": "fma518-v1-22050",
    "features": [0.5] * 518,
}
ACTION = {
    "schema": 1,
    "event_id": "event-1",
    "user_id": "owl",
    "track_id": "2",
    "action": "skip",
    "at": "2026-11-20T03:00:00Z",
    "ms_played": 0,
}


def make_message(value, key="é", partition=1, offset=7, sent_at=SENT_AT):
    if isinstance(value, dict):
        value = json.dumps(value).encode()
    milliseconds = round(sent_at.timestamp() * 1000)
    return Message(
        topic=TOPIC.name,
        partition=partition,
        offset=offset,
        key=key if key is None else key.encode(),
        value=value,
        timestamp=(1, milliseconds),
    )


def check(value, contract=TrackFeatures, **place):
    return check_message(TOPIC, contract, make_message(value, **place))


def breach(value, contract=TrackFeatures, **place):
    found = check(value, contract, **place)
    assert isinstance(found, Poison)
    return found.rule, found.error


def test_a_good_message_becomes_a_document_that_says_where_it_is_from():
    document = check(TRACK)
    assert document == {
        **TrackFeatures.model_validate_json(json.dumps(TRACK)).to_document(),
        "source": {
            "as_of": datetime(2026, 11, 20, 2, tzinfo=UTC),
            "sent_at": SENT_AT,
            "partition": 1,
            "offset": 7,
            "topic": "plays",
        },
    }
    assert list(document["source"]) == ["as_of", "sent_at", "partition", "offset", "topic"]


def test_without_a_precedence_the_time_of_sending_comes_first():
    document = check(ACTION, UserActivity, key="owl")
    assert document["_id"] == "event-1"
    assert list(document["source"]) == ["sent_at", "partition", "offset", "topic"]


@pytest.mark.parametrize("milliseconds", [0, 1, 999, 12_345_678_901])
def test_the_time_of_sending_is_exact_to_the_millisecond(milliseconds):
    sent_at = datetime(2026, 11, 20, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
    assert check(TRACK, sent_at=sent_at)["source"]["sent_at"] == sent_at


@pytest.mark.parametrize("milliseconds", [-(10**14), 10**15])
def test_a_message_sent_outside_the_years_1_to_9999_stops_nothing(milliseconds):
    """Brokers take any time that is past, and many take any that is to come."""
    value = json.dumps(TRACK).encode()
    message = Message("plays", 1, 7, "é".encode(), value, None, None, (1, milliseconds))
    assert check_message(TOPIC, TrackFeatures, message)


@pytest.mark.parametrize("value", [None, b"", b"{", b"\xff\xfe", b"NaN?", b"[" * 5000, b"\0"])
def test_what_is_not_json(value):
    rule, error = breach(value)
    assert rule == "not_json"
    assert error.startswith("Invalid JSON")


def test_a_lone_surrogate_is_not_json():
    assert breach(TRACK | {"track_id": "\ud800"})[0] == "not_json"


@pytest.mark.parametrize("changes", [{"schema": 2}, {"schema": "1"}, {"schema": None}])
def test_another_schema_is_told_whatever_else_is_wrong(changes):
    rule, error = breach(TRACK | {"features": None, "more": 1} | changes)
    assert rule == "schema"
    assert error.startswith("schema: ")


def test_a_message_without_a_schema():
    rest = {name: value for name, value in TRACK.items() if name != "schema"}
    assert breach(rest) == ("schema", "schema: Field required")


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"track_id": 2}, "track_id"),
        ({"metadata": {"title": {}}}, "metadata.title"),
        ({"metadata": {"schema": [1, {}]}}, "metadata.schema"),
        ({"features": [0.5] * 517}, "features"),
        ({"features": [*[0.5] * 517, "0.5?"]}, "features.517"),
        ({"features": [float("nan"), *[0.5] * 517]}, "features.0"),
        ({"features": [float("inf"), *[0.5] * 517]}, "features.0"),
        ({"as_of": "2026-11-20T02:00:00"}, "as_of"),
        ({"schema_": 1}, "schema_"),
    ],
)
def test_a_breach_of_the_contract_names_the_field(changes, where):
    rule, error = breach(TRACK | changes)
    assert rule == "contract"
    assert error.startswith(where)


@pytest.mark.parametrize("value", [b"null", b"[]", b'"text"', b"1", b"NaN"])
def test_json_that_is_no_object_breaks_the_contract(value):
    rule, error = breach(value)
    assert rule == "contract"
    assert "object" in error


def test_nothing_of_the_message_is_told_but_the_field():
    assert "secret" not in breach(TRACK | {"as_of": "secret"})[1]


@pytest.mark.parametrize("key", [None, "", "e", "é "])
def test_another_key_than_the_bodys(key):
    rule, error = breach(TRACK, key=key)
    assert rule == "key"
    assert error == f"key {None if key is None else key.encode()!r}, body 'é'"


def test_a_message_may_be_as_large_as_the_topic_says_and_no_larger():
    size = len(json.dumps(TRACK).encode())
    room = json.dumps(TRACK).encode() + b" " * (TOPIC.largest_message_bytes - size)
    assert "_id" in check(room)
    assert breach(room + b" ") == ("too_large", "20001 bytes, plays allows 20000")


def test_what_is_too_large_is_not_even_read():
    assert breach(b"[" * 20_001)[0] == "too_large"


def test_a_batch_becomes_documents_and_poison_in_order():
    values = [TRACK, b"{", TRACK | {"run_id": "run-2"}, TRACK | {"schema": 2}]
    messages = [make_message(value, offset=offset) for offset, value in enumerate(values)]
    checked = check_batch(TOPIC, TrackFeatures, Batch(messages, {1: 4, 2: 9}))
    assert (checked.read, checked.offsets) == (4, {1: 4, 2: 9})
    assert [item["source"]["offset"] for item in checked.documents] == [0, 2]
    assert [(item.message.offset(), item.rule) for item in checked.poison] == [
        (1, "not_json"),
        (3, "schema"),
    ]


def test_an_empty_batch_may_still_move_the_offsets():
    checked = check_batch(TOPIC, TrackFeatures, Batch([], {0: 3}))
    assert checked == Checked(0, {0: 3}, [])


def test_the_message_of_a_document_is_blamed():
    messages = [
        make_message(TRACK, partition=partition, offset=offset)
        for partition in range(2)
        for offset in range(2)
    ]
    checked = check_batch(TOPIC, TrackFeatures, Batch(messages, {0: 2, 1: 2}))
    for message, document in zip(messages, checked.documents, strict=True):
        blamed = checked.blame(document, "too deep")
        assert blamed.message is message
        assert (blamed.rule, blamed.error) == ("refused_by_mongodb", "too deep")


def test_a_document_of_no_message_is_an_error():
    checked = check_batch(TOPIC, TrackFeatures, Batch([make_message(TRACK)], {1: 8}))
    checked.documents[0]["source"]["offset"] = 8
    with pytest.raises(NocturneError, match="'offset': 8"):
        checked.blame(checked.documents[0], "too deep")


@pytest.mark.parametrize(
    "at",
    [
        0, -1, 1_795_132_800, 1_795_132_800_000, 0.5, True, None, "", "0", "-1", "1795132800",
        "2026-11-20", "2026-11-20T03:00:00", "2026-11-20T03:00Z", "20261120T030000Z", "now",
        "0001-01-01T00:00:00Z", "1601-01-01T00:00:00Z", "1899-12-30T00:00:00Z",
        "1970-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "1980-01-01T00:00:00Z",
        "1999-12-31T23:59:59Z", "2000-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00",
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["listen", "track"])
def test_a_time_that_is_none_or_from_when_no_clock_was_right_breaks_the_contract(at, kind):
    value, contract, key = {
        "listen": (ACTION | {"at": at}, UserActivity, "owl"),
        "track": (TRACK | {"as_of": at}, TrackFeatures, "é"),
    }[kind]
    rule, error = breach(value, contract, key=key)
    assert rule == "contract"
    assert error.startswith(("at: ", "as_of: "))


@pytest.mark.parametrize(
    "at",
    ["2000-01-01T00:00:00Z", "2005-02-13t12:00:00.5z", "2026-11-20 03:00:00+05:30",
     "2026-11-20T03:00:00.123456789-11:00"],
)  # fmt: skip
def test_a_time_as_rfc_3339_writes_it_is_taken(at):
    assert not isinstance(check(ACTION | {"at": at}, UserActivity, key="owl"), Poison)


def test_a_time_may_lie_a_day_after_sending_and_no_more():
    day_after, second = SENT_AT + timedelta(days=1), timedelta(seconds=1)
    late = {"at": day_after.isoformat()}
    assert not isinstance(check(ACTION | late, UserActivity, key="owl"), Poison)
    for value, contract, key in (
        (ACTION | {"at": (day_after + second).isoformat()}, UserActivity, "owl"),
        (ACTION | {"at": "9999-12-31T00:00:00Z"}, UserActivity, "owl"),
        (TRACK | {"as_of": (SENT_AT + timedelta(days=2)).isoformat()}, TrackFeatures, "é"),
    ):  # fmt: skip
        rule, error = breach(value, contract, key=key)
        assert rule == "future"
        assert "more than a day after" in error


def with_headers(*headers, sent_at=SENT_AT):
    plain = make_message(TRACK, sent_at=sent_at)
    value, place = plain.value(), (plain.partition(), plain.offset())
    return Message(TOPIC.name, *place, plain.key(), value, list(headers), None, plain.timestamp())


def test_what_is_sent_again_keeps_the_time_of_its_first_sending():
    first = round(SENT_AT.timestamp() * 1000) - 5000
    message = with_headers(("trace", b"1"), (SENT_FIRST, b"%d" % first))
    source = check_message(TOPIC, TrackFeatures, message)["source"]
    assert source["sent_at"] == SENT_AT - timedelta(seconds=5)


@pytest.mark.parametrize("said", [None, b"", b"soon", b"-5", b"9" * 14, b"9" * 15, b"\xb2"])
def test_a_first_sending_that_cannot_be_says_nothing(said):
    source = check_message(TOPIC, TrackFeatures, with_headers((SENT_FIRST, said)))["source"]
    assert source["sent_at"] == SENT_AT
