"""The steps of the nightly run: the product's functions, given a run's settings and servers.

Each answers with a small summary, which Airflow keeps as the task's XCom and later steps read.
"""

import logging
from pathlib import Path
from typing import Any

import pandas as pd

from nocturne.audio.names import feature_set
from nocturne.audio.store import read_features
from nocturne.catalogue.land import land_library, read_catalogue, write_landed
from nocturne.errors import BadInput
from nocturne.models.gates import require_passed
from nocturne.models.report import describe_gates_markdown, write_report
from nocturne.nights import Night
from nocturne.recommend import candidates, tables
from nocturne.recommend.lookup import Catalogue
from nocturne.refusals import require_few
from nocturne.sample.library import ensure_sample
from nocturne.settings import Settings, load_settings
from nocturne.store.collections import ensure_collections
from nocturne.store.quarantine import record_refusals
from nocturne.store.tracks import require_tracks
from nocturne.store.versions import publish, remove_old_tables, require_version
from nocturne.stream.tracks import find_stored, ingest_tracks, join_features, publish_tracks
from nocturne_airflow import listening
from nocturne_airflow.services import kafka_config, open_client, open_database

log = logging.getLogger(__name__)
Summary = dict[str, Any]


def land(params: Summary, night: Night, run_id: str) -> Summary:
    """Match metadata with audio, as known at the end of the night; set bad rows aside."""
    settings = load_settings()
    choose_ks(settings, params)  # a range that cannot be is told before hours of extraction
    audio_dir, metadata_dir = choose_library(settings, params, night)
    landed = land_library(audio_dir, metadata_dir, known_before=night.end)
    run_dir = settings.run_dir(run_id)
    write_landed(landed, run_dir)
    with open_database() as (database, _):
        ensure_collections(database, settings.tracks_collection)
        record_refusals(database, run_id, landed.refusals)
    seen = landed.rows_read + landed.files_found
    require_few(len(landed.refusals), seen, settings.max_refused_share, "rows and files")
    return {
        "run_dir": str(run_dir),
        "catalogue": str(run_dir / "catalogue.parquet"),
        "report": str(run_dir / "extraction.json"),
        "library": f"{audio_dir.absolute()} {metadata_dir.absolute()}",
        "audio_dir": str(audio_dir.absolute()),
        "store": str(settings.features_dir),
        "sample_rate": settings.sample_rate,
        "excerpt_seconds": settings.excerpt_seconds,
        "data_date": night.data_date,
        "tracks": len(landed.tracks),
        "refused": len(landed.refusals),
        "rows_without_audio": len(landed.without_audio),
    }


def choose_library(settings: Settings, params: Summary, night: Night) -> tuple[Path, Path]:
    """The folders of the run's parameters, else of the settings, else the sample library."""
    audio = params.get("audio_folder") or settings.audio_dir
    metadata = params.get("metadata_folder") or settings.metadata_dir
    if audio and metadata:
        return Path(audio), Path(metadata)
    if audio or metadata:
        raise BadInput(
            "Give both an audio folder and a metadata folder, or neither for the sample library;"
            f" now audio is {audio}, metadata {metadata}."
        )
    log.info("No library is set: using the synthesised sample in %s", settings.sample_dir)
    sample = ensure_sample(settings.sample_dir, night.start.date())
    return sample.audio_dir, sample.metadata_dir


def choose_ks(settings: Settings, params: Summary) -> tuple[int, int]:
    """The smallest and the largest k of the run's parameters, else of the settings."""
    k_min, k_max = params["k_min"] or settings.k_min, params["k_max"] or settings.k_max
    if k_min > k_max:
        raise BadInput(f"There is no k to try: k_min is {k_min}, k_max {k_max}.")
    return k_min, k_max


def publish_features(landed: Summary, night: Night, run_id: str) -> Summary:
    """Join metadata and features, set bad audio aside, send every track to Kafka."""
    settings = load_settings()
    catalogue = read_catalogue(Path(landed["run_dir"]))
    definition = feature_set(landed["sample_rate"], landed["excerpt_seconds"])
    features = read_features(settings.features_dir, definition, set(catalogue["audio_sha256"]))
    tracks, refusals = join_features(catalogue, features)
    config = kafka_config()
    with open_database() as (database, _):
        record_refusals(database, run_id, refusals)
        require_few(len(refusals), len(catalogue), settings.max_refused_share, "audio files")
        stored = find_stored(config, database, settings.tracks_collection, night.end)
    sent = publish_tracks(config, tracks, night.end, run_id, definition, stored)
    tracks[["track_id"]].to_parquet(Path(landed["run_dir"]) / "sent.parquet", index=False)
    return {"sent": sent, "refused": len(refusals), "feature_set": definition}


def load(landed: Summary, run_id: str) -> Summary:
    """Bring MongoDB up to the topic's end, and see that every track that was sent is there."""
    with open_database() as (database, settings):
        report = ingest_tracks(
            kafka_config(),
            database,
            settings.tracks_collection,
            run_id,
            settings.max_refused_share,
        ).run()
        require_tracks(database[settings.tracks_collection], read_sent(landed))
    return {"read": report.read, "changed": report.changed, "dead_letters": report.dead_letters}


def load_listens(params: Summary, run_id: str) -> Summary:
    """Bring the listens up to the topic's end; the sample library's are sent first."""
    sent = 0 if params.get("audio_folder") else listening.publish({"activity_file": None})["sent"]
    return {"sent": sent, **listening.load(None, run_id)}


def plan(
    landed: Summary, published: Summary, params: Summary, night: Night, run_id: str
) -> Summary:
    """Name the version that this night's tracks and listens make."""
    with open_database() as (database, settings):
        k_min, k_max = choose_ks(settings, params)
        definition = published["feature_set"]
        recipe = candidates.choose_recipe(settings, definition, k_min, k_max)
        origin = {
            "run_id": run_id, "library": landed["library"], "audio_dir": landed["audio_dir"],
        }  # fmt: skip
        version = candidates.plan_candidate(
            database, settings.tracks_collection, read_sent(landed), night, recipe, origin,
            settings.models_dir,
        )  # fmt: skip
    folder = candidates.ModelFolder(settings.models_dir / version)
    return {
        "version": version,
        "folder": str(folder.path),
        "tracks": str(folder.tracks),
        "ratings": str(folder.ratings),
        "clusters": str(folder.clusters),
        "taste": str(folder.taste),
        "k_min": k_min,
        "k_max": k_max,
        "max_cluster_share": recipe.max_cluster_share,
        "min_stability": recipe.min_stability,
    }


def read_sent(landed: Summary) -> set[str]:
    sent = pd.read_parquet(Path(landed["run_dir"]) / "sent.parquet")
    return set(sent["track_id"])


def build(planned: Summary) -> Summary:
    """Compute and store the candidate's tables."""
    folder = candidates.ModelFolder(Path(planned["folder"]))
    with open_database() as (database, settings):
        return tables.build_tables(database, settings.tracks_collection, planned["version"], folder)


def check(planned: Summary) -> Summary:
    """Judge the candidate and write its report; a refused one fails the task, and what is live
    stays live.
    """
    version = planned["version"]
    with open_database() as (database, settings):
        verdicts = candidates.judge_candidate(database, version, candidates.choose_limits(settings))
        model = require_version(database, version)
    report = write_page(settings, planned, model)
    require_passed(version, verdicts)
    summary = f"{describe_gates_markdown(model)}\n\nThe report: `{report}`"
    return {"verdicts": verdicts, "report": str(report), "summary": summary}


def write_page(settings: Settings, planned: Summary, model: Summary) -> Path:
    """The report of a version as it is now."""
    folder = candidates.ModelFolder(Path(planned["folder"]))
    report = write_report(settings.reports_dir, planned["version"], model, folder.clusters)
    log.info("The report: %s", report)
    return report


def go_live(planned: Summary, params: Summary) -> Summary:
    """Move the live pointer to the candidate, unless the run only rehearses or a newer day is
    live; then let go of tables that are older than the settings keep. The report says so.
    """
    if not params["publish"]:
        return {"version": planned["version"], "live": False, "because": "publish is off"}
    with open_client() as (client, settings):
        moved = publish(client, settings.mongo_database, planned["version"])
        database = client[settings.mongo_database]
        retired = remove_old_tables(database, settings.versions_kept)
        live = Catalogue(database, settings.tracks_collection).live()
        write_page(settings, planned, require_version(database, planned["version"]))
    because = "published" if moved else f"a newer day is live: {live}"
    return {"version": planned["version"], "live": moved, "because": because, "retired": retired}
