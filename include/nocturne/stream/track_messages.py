"""Tracks on their way from the run's folder into Kafka."""

import math
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any

import numpy as np
import pandas as pd

from nocturne.refusals import Refusal
from nocturne.stream.connection import KafkaConfig
from nocturne.stream.messages import TrackFeatures
from nocturne.stream.produce import CheckedProducer
from nocturne.stream.topics import TRACKS_FEATURES, ensure_topics

NOT_METADATA = {"track_id", "audio_bytes", "audio_sha256"}


def join_features(
    catalogue: pd.DataFrame, features: pd.DataFrame
) -> tuple[pd.DataFrame, list[Refusal]]:
    """The tracks whose audio gave features, with them, and a refusal for each of the others."""
    merged = catalogue.merge(features, on="audio_sha256", how="left", validate="many_to_one")
    refused = merged[merged["rule"].notna()]
    refusals = [
        Refusal(row["audio_path"], row["track_id"], row["rule"], row["reason"])
        for row in refused.to_dict("records")
    ]
    good = merged[merged["rule"].isna()].drop(columns=["rule", "reason", "duration_seconds_y"])
    return good.rename(columns={"duration_seconds_x": "duration_seconds"}), refusals


def make_messages(
    tracks: pd.DataFrame, as_of: datetime, run_id: str, feature_set: str
) -> Iterator[TrackFeatures]:
    """A checked message for each track. Raises ValidationError if one breaks the contract."""
    metadata_columns = [
        name for name in tracks.columns if name not in NOT_METADATA and name != "features"
    ]
    for row in tracks.to_dict("records"):
        yield TrackFeatures(
            schema=1,
            track_id=row["track_id"],
            as_of=as_of,
            run_id=run_id,
            metadata={name: to_plain(row[name]) for name in metadata_columns},
            audio_sha256=row["audio_sha256"],
            feature_set=feature_set,
            features=row["features"],
        )


def to_plain(value: Any) -> Any:
    """A value as JSON has it: times as RFC 3339 text, absent ones as None."""
    if isinstance(value, list | tuple | np.ndarray):
        return [to_plain(item) for item in value]
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and math.isnan(value) else value


def publish_tracks(
    config: KafkaConfig,
    tracks: pd.DataFrame,
    as_of: datetime,
    run_id: str,
    feature_set: str,
    stored: Mapping[str, str],
) -> int:
    """Send tracks to `tracks.features`; how many brokers have acknowledged.

    `stored` has the content hash of every track that is there for this `as_of`: one that would
    say the same again is not sent. Raises ServiceUnavailable if one was not acknowledged.
    """
    ensure_topics(config, (TRACKS_FEATURES,))
    with CheckedProducer(config) as producer:
        for message in make_messages(tracks, as_of, run_id, feature_set):
            if message.content_sha256() != stored.get(message.track_id):
                value = message.model_dump_json(by_alias=True).encode()
                producer.send(TRACKS_FEATURES.name, message.key().encode(), value)
    return producer.delivered
