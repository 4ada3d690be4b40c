"""The steps of the nightly run: `nocturne.steps`, given a run's parameters and Airflow's
connections.

Each answers with a small summary, which Airflow keeps as the task's XCom and later steps read.
"""

from datetime import UTC, datetime
from typing import Any

from nocturne.nights import Night, require_over
from nocturne.settings import Settings, load_settings
from nocturne.steps import library, version
from nocturne_airflow.services import kafka_config, open_client, open_database

Summary = dict[str, Any]


def land(params: Summary, night: Night, run_id: str) -> Summary:
    """A range of k or a night that cannot be is told before hours of extraction."""
    settings = load_settings()
    require_over(night, datetime.now(UTC))
    version.choose_ks(settings, params)
    folders = library.choose_library(settings, params, night)
    with open_database() as (database, settings):
        return library.land_library(settings, database, folders, night, run_id)


def publish_features(landed: Summary, night: Night, run_id: str) -> Summary:
    with open_database() as (database, settings):
        return library.publish_features(settings, kafka_config(), database, landed, night, run_id)


def load(landed: Summary, run_id: str) -> Summary:
    with open_database() as (database, settings):
        return library.load_tracks(settings, kafka_config(), database, landed, run_id)


def load_listens(params: Summary, run_id: str) -> Summary:
    """Bring the listens up to the topic's end; the sample library's are sent first."""
    from nocturne_airflow import listening

    sent = 0 if params.get("audio_folder") else listening.publish({"activity_file": None})["sent"]
    return {"sent": sent, **listening.load(None, run_id)}


def plan(
    landed: Summary, published: Summary, params: Summary, night: Night, run_id: str
) -> Summary:
    with open_database() as (database, settings):
        ks = version.choose_ks(settings, params)
        return version.plan_candidate(
            settings,
            database,
            landed,
            published["feature_set"],
            ks,
            night,
            run_id,
            may_replace_library(params, settings),
        )


def may_replace_library(params: Summary, settings: Settings) -> bool:
    """The settings' library may always; one that a run names may if the run says so, a person is
    asked, or nothing is published.
    """
    named = params.get("audio_folder") or params.get("metadata_folder")
    asked = settings.approve if params.get("approve") is None else params["approve"]
    return not named or bool(params.get("replace_library") or asked) or not params["publish"]


def build(planned: Summary) -> Summary:
    with open_database() as (database, settings):
        return version.build_tables(settings, database, planned)


def check(planned: Summary) -> Summary:
    with open_database() as (database, settings):
        return version.check_candidate(settings, database, planned)


def go_live(planned: Summary, params: Summary, run_type: str = "manual") -> Summary:
    """Publish the candidate, unless the run only rehearses. A scheduled run must."""
    if not params["publish"]:
        return {"version": planned["version"], "live": False, "because": "publish is off"}
    with open_client() as (client, settings):
        return version.publish_version(settings, client, planned, run_type == "scheduled")
