"""The contract of a track: what keeps it, what breaks it, and the document that comes of it."""

import json
import math
from datetime import UTC, datetime, timedelta, timezone

import bson
import pytest
from bson.codec_options import CodecOptions
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from nocturne.store.hashes import hash_track
from nocturne.stream.messages import Record, TrackFeatures

GOOD = {
    "schema": 1,
    "track_id": "2",
    "as_of": "2026-11-20T02:00:00Z",
    "run_id": "scheduled__2026-11-19",
    "metadata": {"title": "Food", "listens": 1293, "genre_titles": ["Hip-Hop", None]},
    "audio_sha256": "ab" * 32,
    "feature_set": "fma518-v1-22050",
    "features": [0.5] * 518,
}
AS_MONGODB = CodecOptions(tz_aware=True)


def parse(**changes):
    return TrackFeatures.model_validate_json(json.dumps(GOOD | changes))


def test_a_good_message_becomes_its_document():
    document = parse().to_document()
    assert document == {
        "_id": "2",
        "metadata": GOOD["metadata"],
        "audio_sha256": GOOD["audio_sha256"],
        "feature_set": "fma518-v1-22050",
        "features": GOOD["features"],
        "content_sha256": hash_track(parse().content()),
        "run_id": "scheduled__2026-11-19",
    }


def test_the_key_keeps_the_records_of_a_track_in_order():
    assert parse(track_id="é/1").key() == "é/1"


def test_the_day_of_a_track_comes_before_the_time_of_sending():
    assert parse().precedence() == {"as_of": datetime(2026, 11, 20, 2, tzinfo=UTC)}


def test_a_contract_says_key_and_document():
    class Half(Record):
        def key(self):
            return ""

    with pytest.raises(TypeError, match="to_document"):
        Half(schema=1)


def test_a_message_survives_its_own_json():
    message = parse()
    assert TrackFeatures.model_validate_json(message.model_dump_json(by_alias=True)) == message


def test_what_is_stored_is_what_was_sent():
    document = parse().to_document() | {"source": parse().precedence()}
    assert bson.decode(bson.encode(document), AS_MONGODB) == document


@pytest.mark.parametrize(
    "changes",
    [
        {"as_of": "2027-01-01T00:00:00Z"},
        {"run_id": "another"},
        {"metadata": dict(reversed(GOOD["metadata"].items()))},
        {"features": [0.50] * 518},
    ],
)
def test_what_a_track_is_does_not_depend_on_how_it_came(changes):
    assert parse(**changes).content_sha256() == parse().content_sha256()


@pytest.mark.parametrize(
    "changes",
    [
        {"track_id": "3"},
        {"metadata": {"title": "Food!"}},
        {"audio_sha256": "cd" * 32},
        {"feature_set": "fma518-v1-44100"},
        {"features": [*GOOD["features"][:-1], 0.5000000000000001]},
    ],
)
def test_any_change_of_content_changes_the_hash(changes):
    assert parse(**changes).content_sha256() != parse().content_sha256()


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, width=64).filter(math.isfinite)
    | st.text(st.characters(codec="utf-8"))
)


@settings(deadline=None)
@given(
    metadata=st.dictionaries(st.sampled_from("abc"), scalars | st.lists(scalars, max_size=3)),
    feature=st.floats(allow_nan=False, allow_infinity=False),
)
def test_who_sends_a_track_and_who_stores_it_find_the_same_hash(metadata, feature):
    """The sender makes it of Python's values, the ingest of the message's JSON."""
    changes = {"metadata": metadata, "features": [feature] * 518}
    sent = TrackFeatures(**GOOD | changes)
    received = TrackFeatures.model_validate_json(sent.model_dump_json(by_alias=True))
    assert received.content_sha256() == sent.content_sha256()


def test_whole_numbers_among_the_features_become_doubles():
    features = parse(features=[0] * 518).features
    assert {type(value) for value in features} == {float}


def test_moments_of_other_zones_become_utc():
    assert parse(as_of="2026-11-20T04:00:00+02:00").as_of == datetime(2026, 11, 20, 2, tzinfo=UTC)
    assert parse(as_of="2026-11-20T04:00:00+02:00").as_of.tzinfo is UTC


years = {"min_value": datetime(2000, 1, 2), "max_value": datetime(9999, 12, 30)}  # noqa: DTZ001
zones = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@settings(deadline=None)
@given(moment=st.datetimes(**years, timezones=zones))
def test_every_moment_comes_back_from_mongodb_to_the_millisecond(moment):
    as_of = parse(as_of=moment.isoformat()).as_of
    assert bson.decode(bson.encode({"as_of": as_of}), AS_MONGODB) == {"as_of": as_of}
    assert timedelta(0) <= moment - as_of < timedelta(milliseconds=1)


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"schema": 2}, "schema"),
        ({"schema": "1"}, "schema"),
        ({"track_id": ""}, "track_id"),
        ({"track_id": "1" * 201}, "track_id"),
        ({"track_id": 2}, "track_id"),
        ({"as_of": "yesterday"}, "as_of"),
        ({"as_of": "2026-11-20T02:00:00"}, "as_of"),
        ({"as_of": "0001-01-01T00:00:00+14:00"}, "as_of"),
        ({"as_of": "9999-12-31T23:59:59-01:00"}, "as_of"),
        ({"audio_sha256": "AB" * 32}, "audio_sha256"),
        ({"audio_sha256": "ab" * 31}, "audio_sha256"),
        ({"audio_sha256": "ab" * 32 + "\n"}, "audio_sha256"),
        ({"features": [0.5] * 517}, "features"),
        ({"features": [0.5] * 519}, "features"),
        ({"features": [*GOOD["features"][:-1], float("nan")]}, "features.517"),
        ({"features": [float("-inf"), *GOOD["features"][1:]]}, "features.0"),
        ({"features": [None, *GOOD["features"][1:]]}, "features.0"),
        ({"features": None}, "features"),
        ({"more": 1}, "more"),
    ],
)
def test_breaches_of_the_contract_are_refused(changes, where):
    with pytest.raises(ValidationError) as caught:
        parse(**changes)
    assert ".".join(map(str, caught.value.errors()[0]["loc"])) == where


@pytest.mark.parametrize(
    "metadata",
    [
        {"title": float("nan")},
        {"title": [float("inf")]},
        {"$set": 1},
        {"a.b": 1},
        {"null\0": 1},
        {"": 1},
        {"nested": {"title": 1}},
        {"lists": [["of lists"]]},
    ],
)
def test_metadata_that_mongodb_would_not_take_is_refused(metadata):
    with pytest.raises(ValidationError, match="metadata"):
        parse(metadata=metadata)


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"number": 1e30, "least": -(2**63), "most": 2**63 - 1, "real": 1e308},
        {"text": "\0 $ . ü 𝄞", "none": None, "yes": True, "list": [], "mixed": [1, "a", None, 0.5]},
    ],
)
def test_all_metadata_that_keeps_the_contract_can_be_stored(metadata):
    document = parse(metadata=metadata).to_document()
    assert bson.decode(bson.encode(document))["metadata"] == metadata


def test_a_whole_number_of_more_than_eight_bytes_is_stored_as_a_double():
    metadata = parse(metadata={"most": 2**63, "least": [-(2**63) - 1]}).metadata
    assert metadata == {"most": 2.0**63, "least": [-(2.0**63)]}
    assert type(metadata["most"]) is float


@pytest.mark.parametrize("missing", sorted(GOOD))
def test_every_field_is_required(missing):
    rest = {name: value for name, value in GOOD.items() if name != missing}
    with pytest.raises(ValidationError, match=missing):
        TrackFeatures.model_validate_json(json.dumps(rest))


@pytest.mark.parametrize("value", [b"", b"{", b"null", b"[]", b"\xff", b'"text"'])
def test_what_is_not_an_object_is_refused(value):
    with pytest.raises(ValidationError):
        TrackFeatures.model_validate_json(value)


def test_a_lone_surrogate_is_not_json():
    text = json.dumps(GOOD | {"track_id": "\ud800"})
    with pytest.raises(ValidationError, match="Invalid JSON"):
        TrackFeatures.model_validate_json(text)
