"""From tracks and listens in MongoDB to a version that is live."""

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nocturne.errors import BadInput
from nocturne.nights import Night, last_complete_night, require_over
from nocturne.settings import Settings
from nocturne.steps.library import read_sent

if TYPE_CHECKING:
    from pymongo import MongoClient
    from pymongo.database import Database

log = logging.getLogger(__name__)
Summary = dict[str, Any]
TRAININGS = {
    "train_clusters": {
        "inputs": "tracks",
        "target": "clusters",
        "k_min": "k_min",
        "k_max": "k_max",
        "max_cluster_share": "max_cluster_share",
        "min_stability": "min_stability",
    },
    "train_taste": {"ratings": "ratings", "target": "taste"},
}
"""The Spark jobs between plan and build: their options, each with its key in the plan's summary."""


def choose_ks(settings: Settings, params: Mapping[str, Any]) -> tuple[int, int]:
    """The smallest and the largest k: the run's, else the settings'. Raises BadInput if there is
    none between them.
    """
    k_min, k_max = params["k_min"] or settings.k_min, params["k_max"] or settings.k_max
    if k_min > k_max:
        raise BadInput(f"There is no k to try: k_min is {k_min}, k_max {k_max}.")
    return k_min, k_max


def plan_candidate(
    settings: Settings,
    database: "Database[Summary]",
    landed: Summary,
    feature_set: str,
    ks: tuple[int, int],
    night: Night,
    run_id: str,
    may_replace: bool = False,
) -> Summary:
    """Name the version that this night's tracks and listens make, and write its inputs.

    `may_replace`: it may take the place of another library's version. Raises BadInput if the night
    is not over, or so old that its tables would go at once.
    """
    from nocturne.recommend.candidates import ModelFolder, choose_recipe, plan_candidate
    from nocturne.store.retention import require_kept

    require_over(night, datetime.now(UTC))
    require_kept(database, night.data_date, settings.versions_kept)
    k_min, k_max = ks
    recipe = choose_recipe(settings, feature_set, k_min, k_max)
    origin = {"run_id": run_id, "library": landed["library"], "audio_dir": landed["audio_dir"]}
    version = plan_candidate(
        database, settings.tracks_collection, read_sent(landed), night, recipe, origin,
        settings.models_dir,
    )  # fmt: skip
    folder = ModelFolder(settings.models_dir / version)
    return {
        "version": version,
        "may_replace": may_replace,
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


def build_tables(settings: Settings, database: "Database[Summary]", planned: Summary) -> Summary:
    """Compute and store the candidate's tables."""
    from nocturne.recommend.candidates import ModelFolder
    from nocturne.recommend.tables import build_tables

    folder = ModelFolder(Path(planned["folder"]))
    return build_tables(database, settings.tracks_collection, planned["version"], folder)


def check_candidate(settings: Settings, database: "Database[Summary]", planned: Summary) -> Summary:
    """Judge the candidate and write its report. Raises BadInput if it is refused: what is live
    stays live.
    """
    from nocturne.models.gates import require_passed
    from nocturne.models.report import describe_gates_markdown
    from nocturne.recommend.candidates import choose_limits, judge_candidate
    from nocturne.store.versions import require_version

    version = planned["version"]
    may_replace = planned.get("may_replace", False)
    verdicts = judge_candidate(database, version, choose_limits(settings), may_replace)
    model = require_version(database, version)
    report = write_page(settings, planned, model)
    require_passed(version, verdicts)
    summary = f"{describe_gates_markdown(model)}\n\nThe report: `{report}`"
    return {"verdicts": verdicts, "report": str(report), "summary": summary}


def publish_version(
    settings: Settings, client: "MongoClient[Summary]", planned: Summary, scheduled: bool = False
) -> Summary:
    """Move the live pointer to the candidate, unless a newer day is live; then let go of tables
    that are older than the settings keep. The report says so.

    Raises BadInput if a scheduled night, which is the newest there is, may not go live and never
    was, or any night because what is live is of a day to come: every later one would publish
    nothing either.
    """
    from nocturne.store import retention, versions

    version = planned["version"]
    moved = versions.publish(client, settings.mongo_database, version)
    database = client[settings.mongo_database]
    retired = retention.remove_old_tables(database, settings.versions_kept)
    retention.note_built(database, version)
    write_page(settings, planned, versions.require_version(database, version))
    if not (moved or was_live(database, version)) and (scheduled or is_ahead(database)):
        raise BadInput(
            f"{version} was not published: a newer day is live: {name_live(database)}. If that day"
            " is a mistake, `./nocturne rollback VERSION` makes another live, and clearing"
            " publish_version then publishes this night."
        )
    because = "published" if moved else f"a newer day is live: {name_live(database)}"
    return {"version": version, "live": moved, "because": because, "retired": retired}


def was_live(database: "Database[Summary]", version: str) -> bool:
    from nocturne.store.versions import PUBLISHED, require_version

    return bool(require_version(database, version)["state"] == PUBLISHED)


def is_ahead(database: "Database[Summary]") -> bool:
    """Is what is live of a day that is not over?"""
    from nocturne.store.versions import live_version

    live = live_version(database)
    return live is not None and live["data_date"] > last_complete_night(datetime.now(UTC)).data_date


def name_live(database: "Database[Summary]") -> str | None:
    from nocturne.store.versions import live_version

    pointer = live_version(database)
    return str(pointer["version"]) if pointer else None


def write_page(settings: Settings, planned: Summary, model: Summary) -> Path:
    """The report of a version as it is now."""
    from nocturne.models.report import write_report
    from nocturne.recommend.candidates import ModelFolder

    folder = ModelFolder(Path(planned["folder"]))
    report = write_report(settings.reports_dir, planned["version"], model, folder.clusters)
    log.info("The report: %s", report)
    return report
