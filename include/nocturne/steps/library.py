"""From a folder of music to tracks in MongoDB."""

import logging
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nocturne.errors import BadInput
from nocturne.nights import Night, require_over
from nocturne.settings import Settings

if TYPE_CHECKING:
    from pymongo.database import Database

log = logging.getLogger(__name__)
Summary = dict[str, Any]
Folders = tuple[Path, Path]
SENT = "sent.parquet"
"""In a run's folder: the ids of the tracks that the run sent."""


def choose_library(settings: Settings, params: Mapping[str, Any], night: Night) -> Folders:
    """The folders of audio and metadata: the run's, else the settings', else the sample's.

    Raises BadInput if only one of the two is known.
    """
    audio = params.get("audio_folder") or settings.audio_dir
    metadata = params.get("metadata_folder") or settings.metadata_dir
    if audio and metadata:
        return Path(audio), Path(metadata)
    if audio or metadata:
        raise BadInput(
            "Give both an audio folder and a metadata folder, or neither for the sample library;"
            f" now audio is {audio}, metadata {metadata}."
        )
    from nocturne.sample.library import ensure_sample

    log.info("No library is set: using the synthesised sample in %s", settings.sample_dir)
    sample = ensure_sample(settings.sample_dir, night.start.date())
    return sample.audio_dir, sample.metadata_dir


def name_library(audio_dir: Path, metadata_dir: Path) -> str:
    """Versions of the same folders are compared with each other."""
    return f"{audio_dir.absolute()} {metadata_dir.absolute()}"


def land_library(
    settings: Settings,
    database: "Database[Summary]",
    folders: Folders,
    night: Night,
    run_id: str,
) -> Summary:
    """Match metadata with audio, as known at the end of the night; set bad rows aside.

    Raises BadInput if the night is not over.
    """
    from nocturne.catalogue.land import land_library, write_landed
    from nocturne.refusals import require_few
    from nocturne.store.collections import ensure_collections
    from nocturne.store.quarantine import record_refusals

    require_over(night, datetime.now(UTC))
    audio_dir, metadata_dir = folders
    landed = land_library(audio_dir, metadata_dir, night.end, list_left_out(settings))
    run_dir = settings.run_dir(run_id)
    write_landed(landed, run_dir)
    ensure_collections(database, settings.tracks_collection)
    record_refusals(database, run_id, "land_library", landed.refusals)
    seen = landed.rows_read + landed.files_found
    require_few(len(landed.refusals), seen, settings.max_refused_share, "rows and files")
    return {
        "run_dir": str(run_dir),
        "catalogue": str(run_dir / "catalogue.parquet"),
        "report": str(run_dir / "extraction.json"),
        "library": name_library(audio_dir, metadata_dir),
        "audio_dir": str(audio_dir.absolute()),
        "store": str(settings.features_dir),
        "sample_rate": settings.sample_rate,
        "excerpt_seconds": settings.excerpt_seconds,
        "data_date": night.data_date,
        "tracks": len(landed.tracks),
        "refused": len(landed.refusals),
        "rows_without_audio": len(landed.without_audio),
        "left_out": len(landed.left_out),
    }


def list_left_out(settings: Settings) -> list[str]:
    return [name.strip() for name in settings.left_out.split(",") if name.strip()]


def publish_features(
    settings: Settings,
    config: dict[str, str],
    database: "Database[Summary]",
    landed: Summary,
    night: Night,
    run_id: str,
) -> Summary:
    """Join metadata and features, set bad audio aside, send every track to Kafka."""
    from nocturne.audio.names import feature_set
    from nocturne.audio.store import read_features
    from nocturne.catalogue.land import read_catalogue
    from nocturne.refusals import require_few
    from nocturne.store.quarantine import record_refusals
    from nocturne.stream.track_messages import join_features, publish_tracks
    from nocturne.stream.tracks import find_stored

    catalogue = read_catalogue(Path(landed["run_dir"]))
    definition = feature_set(landed["sample_rate"], landed["excerpt_seconds"])
    features = read_features(settings.features_dir, definition, set(catalogue["audio_sha256"]))
    tracks, refusals = join_features(catalogue, features)
    record_refusals(database, run_id, "publish_features", refusals)
    require_few(len(refusals), len(catalogue), settings.max_refused_share, "audio files")
    stored = find_stored(config, database, settings.tracks_collection, night.end)
    sent = publish_tracks(config, tracks, night.end, run_id, definition, stored)
    note_sent(Path(landed["run_dir"]), tracks["track_id"])
    return {"sent": sent, "refused": len(refusals), "feature_set": definition}


def load_tracks(
    settings: Settings,
    config: dict[str, str],
    database: "Database[Summary]",
    landed: Summary,
    run_id: str,
) -> Summary:
    """Bring MongoDB up to the topic's end, and see that every track that was sent is there."""
    from nocturne.store.tracks import require_tracks
    from nocturne.stream.tracks import ingest_tracks

    collection = settings.tracks_collection
    share = settings.max_refused_share
    report = ingest_tracks(config, database, collection, run_id, share).run()
    require_tracks(database[collection], read_sent(landed))
    return {"read": report.read, "changed": report.changed, "dead_letters": report.dead_letters}


def note_sent(run_dir: Path, track_ids: Iterable[str]) -> None:
    """Write what `read_sent` reads."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"track_id": pa.array(track_ids, pa.string())}), run_dir / SENT)


def read_sent(landed: Mapping[str, Any]) -> set[str]:
    """The ids of the tracks that the run sent."""
    import pyarrow.parquet as pq

    return set(pq.read_table(Path(landed["run_dir"]) / SENT)["track_id"].to_pylist())
