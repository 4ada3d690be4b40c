"""Tracks on their way from Kafka into MongoDB."""

from datetime import datetime
from typing import Any

from pymongo.database import Database

from nocturne.store import failures
from nocturne.store.collections import ensure_collections
from nocturne.store.records import NEWEST
from nocturne.stream.connection import KafkaConfig, explaining, open_admin
from nocturne.stream.ingest import Ingest
from nocturne.stream.messages import TrackFeatures
from nocturne.stream.offsets import Progress, measure_topic
from nocturne.stream.topics import TRACKS_FEATURES, ensure_topics

Document = dict[str, Any]


def find_stored(
    config: KafkaConfig, database: Database[Document], collection: str, as_of: datetime
) -> dict[str, str]:
    """The content hash of each track that is stored for this `as_of`, by id.

    Empty while the topic holds tracks that are not stored yet: what they say would come to stand
    after what is sent now.
    """
    tracks = database[collection]
    progress = Progress(database, name_group(database, collection), TRACKS_FEATURES.name)
    ensure_topics(config, (TRACKS_FEATURES,))
    with explaining(config, f"reading {progress.topic}"), failures.explaining(tracks):
        if not progress.is_at_end(measure_topic(open_admin(config), progress.topic)):
            return {}
        found = tracks.find({"source.as_of": as_of}, {"content_sha256": 1})
        return {track["_id"]: track["content_sha256"] for track in found}


def name_group(database: Database[Document], collection: str) -> str:
    return f"nocturne-tracks-{database.name}-{collection}"


def ingest_tracks(
    config: KafkaConfig,
    database: Database[Document],
    collection: str,
    run_id: str,
    max_refused_share: float,
) -> Ingest:
    """How `tracks.features` becomes the tracks: of each, the newest record stays."""
    ensure_collections(database, collection)
    return Ingest(
        config=config,
        topic=TRACKS_FEATURES,
        contract=TrackFeatures,
        collection=database[collection],
        rule=NEWEST,
        group=name_group(database, collection),
        run_id=run_id,
        max_refused_share=max_refused_share,
    )
