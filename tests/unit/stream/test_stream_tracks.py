"""From the landed catalogue and the feature store to checked messages."""

import csv
import hashlib
import json
from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pydantic import ValidationError

from nocturne.audio.store import SCHEMA, FeatureRecord, add_part, read_features
from nocturne.catalogue.land import land_library, read_catalogue, write_landed
from nocturne.refusals import Refusal
from nocturne.stream.messages import TrackFeatures
from nocturne.stream.track_messages import NOT_METADATA, join_features, make_messages, to_plain

FEATURE_SET = "fma518-v1-22050"
AS_OF = datetime(2026, 11, 20, 2, tzinfo=UTC)
TRACKS = [
    {
        "track_id": "2",
        "track_title": "Food",
        "artist_name": "AWOL",
        "track_genres": "[{'genre_id': '21', 'genre_title': 'Hip-Hop', 'genre_url': 'http://x/'}]",
        "track_duration": "168",
        "track_listens": "1293",
        "track_date_created": "11/26/2008 01:48:12 AM",
    },
    {"track_id": "10", "track_title": "Bare", "artist_name": "Björk"},
    {"track_id": "3", "track_title": "Twin", "artist_name": "AWOL", "track_duration": "100"},
    {"track_id": "4", "track_title": "Hush", "artist_name": "AWOL", "track_duration": "60"},
]
AUDIO = {"2": b"sound", "10": b"other sound", "3": b"sound", "4": b"silence"}


def digest(track_id):
    return hashlib.sha256(AUDIO[track_id]).hexdigest()


@pytest.fixture
def catalogue(tmp_path):
    """Four tracks as landing left them; 2 and 3 have the same audio."""
    audio_dir, metadata_dir = tmp_path / "audio", tmp_path / "metadata"
    audio_dir.mkdir()
    metadata_dir.mkdir()
    with (metadata_dir / "raw_tracks.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(TRACKS[0]), restval="")
        writer.writeheader()
        writer.writerows(TRACKS)
    for track_id, content in AUDIO.items():
        (audio_dir / f"{track_id}.mp3").write_bytes(content)
    write_landed(land_library(audio_dir, metadata_dir), tmp_path / "run")
    return read_catalogue(tmp_path / "run")


@pytest.fixture
def features(tmp_path, catalogue):
    """The feature store's rows for them: vectors for all but the silence."""
    records = [
        FeatureRecord(digest("2"), [0.25] * 518, None, None, 168.4),
        FeatureRecord(digest("10"), [float(n) for n in range(518)], None, None, 30.0),
        FeatureRecord(digest("4"), None, "silent", "There is no sound.", None),
    ]
    table = pa.Table.from_pylist([record._asdict() for record in records], schema=SCHEMA)
    add_part(tmp_path / "store", FEATURE_SET, table)
    return read_features(tmp_path / "store", FEATURE_SET, set(catalogue["audio_sha256"]))


def test_joining_adds_the_features_and_nothing_else(catalogue, features):
    tracks, _ = join_features(catalogue, features)
    assert list(tracks.columns) == [*catalogue.columns, "features"]
    assert tracks["track_id"].tolist() == ["10", "2", "3"]
    kept = catalogue[catalogue["track_id"] != "4"]
    pd.testing.assert_frame_equal(
        tracks[list(catalogue.columns)].reset_index(drop=True),
        kept.reset_index(drop=True),
        check_dtype=False,
    )


def test_the_duration_is_that_of_the_metadata(catalogue, features):
    tracks, _ = join_features(catalogue, features)
    durations = tracks.set_index("track_id")["duration_seconds"]
    assert durations["2"] == 168
    assert durations["3"] == 100
    assert pd.isna(durations["10"])


def test_tracks_of_one_audio_content_share_its_features(catalogue, features):
    tracks, _ = join_features(catalogue, features)
    vectors = tracks.set_index("track_id")["features"]
    np.testing.assert_array_equal(vectors["2"], [0.25] * 518)
    np.testing.assert_array_equal(vectors["3"], vectors["2"])
    np.testing.assert_array_equal(vectors["10"], np.arange(518.0))


def test_audio_that_gave_no_features_is_refused_by_its_rule(catalogue, features):
    _, refusals = join_features(catalogue, features)
    assert refusals == [Refusal("4.mp3", "4", "silent", "There is no sound.")]


def test_the_frames_collide_in_no_other_column(catalogue, features):
    assert set(catalogue.columns) & set(features.columns) == {"audio_sha256", "duration_seconds"}


def test_messages_survive_json_and_the_contract(catalogue, features):
    tracks, _ = join_features(catalogue, features)
    messages = list(make_messages(tracks, AS_OF, "run-1", FEATURE_SET))
    values = [message.model_dump_json(by_alias=True) for message in messages]
    assert [TrackFeatures.model_validate_json(value) for value in values] == messages
    assert [message.track_id for message in messages] == ["10", "2", "3"]
    sent = json.loads(values[1])
    assert sent["schema"] == 1
    assert sent["as_of"] == "2026-11-20T02:00:00Z"
    assert sent["features"] == [0.25] * 518
    assert sent["audio_sha256"] == digest("2")


def test_the_metadata_is_the_catalogue_in_plain_json(catalogue, features):
    tracks, _ = join_features(catalogue, features)
    bare, food, _ = make_messages(tracks, AS_OF, "run-1", FEATURE_SET)
    assert set(food.metadata) == set(catalogue.columns) - NOT_METADATA
    assert (
        food.metadata.items()
        >= {
            "title": "Food",
            "artist_name": "AWOL",
            "genre_ids": ["21"],
            "genre_titles": ["Hip-Hop"],
            "duration_seconds": 168.0,
            "listens": 1293,
            "date_created": "2008-11-26T01:48:12+00:00",
            "audio_path": "2.mp3",
            "album_title": None,
        }.items()
    )
    assert type(food.metadata["listens"]) is int
    assert bare.metadata["artist_name"] == "Björk"
    assert bare.metadata["listens"] is bare.metadata["date_created"] is None
    assert bare.metadata["duration_seconds"] is None
    assert bare.metadata["genre_ids"] == []


def test_the_same_tracks_give_the_same_content_again(catalogue, features):
    tracks, _ = join_features(catalogue, features)

    def hashes(run_id):
        return [
            message.content_sha256()
            for message in make_messages(tracks, AS_OF, run_id, FEATURE_SET)
        ]

    assert hashes("run-1") == hashes("run-2")
    assert len(set(hashes("run-1"))) == 3


def test_a_vector_that_breaks_the_contract_is_not_sent(catalogue, features):
    features["features"] = [None if row is None else row[:517] for row in features["features"]]
    tracks, _ = join_features(catalogue, features)
    with pytest.raises(ValidationError, match="518"):
        next(make_messages(tracks, AS_OF, "run-1", FEATURE_SET))


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (None, None),
        (pd.NA, None),
        (pd.NaT, None),
        (float("nan"), None),
        (np.float64("nan"), None),
        (np.int64(3), 3),
        (np.float64(0.5), 0.5),
        (np.bool_(True), True),
        (pd.Timestamp("2008-11-26T01:48:12Z"), "2008-11-26T01:48:12+00:00"),
        (datetime(2008, 11, 26, tzinfo=UTC), "2008-11-26T00:00:00+00:00"),
        (date(2008, 11, 26), "2008-11-26"),
        (["a", None, pd.NA], ["a", None, None]),
        (("a", np.int64(1)), ["a", 1]),
        (np.array([1.5, np.nan]), [1.5, None]),
        ("text", "text"),
        (0, 0),
        (False, False),
    ],
)
def test_values_become_plain(value, plain):
    result = to_plain(value)
    assert result == plain
    assert type(result) is type(plain)
