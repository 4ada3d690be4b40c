"""# Nightly recommendations

Every night at 02:00 UTC: walks the music library, extracts what is new, brings it and what listeners
did through Kafka into MongoDB, trains clusters and taste, builds the tables of similar tracks and
of lists for listeners, judges them, and makes them live.

**Parameters** (trigger form): the folders of audio and metadata (empty: those of the settings,
else the synthesised sample library), the day of data (empty: the run's own), the range of k,
whether to publish, whether another library that is live may be replaced, whether a person must
approve and for how many hours they are waited for (empty: as NOCTURNE_APPROVE and
NOCTURNE_APPROVE_HOURS say). `publish` off is a rehearsal: all is built and
judged, nothing goes live.

**What a run sees.** The library and the listening as known at the end of its day: tracks dated later
and later events are left out. So a backfill (`./nocturne backfill 2026-11-01 2026-11-03`) gives what
those nights would have given, and never displaces the version of a newer day.

**When it is red**

| task | means | do |
|---|---|---|
| land_library | a folder is missing, the range of k is none, the night is not over, or too many rows and files were refused | read the message, mend the library or the parameters, clear the task |
| load_listens | too many messages were refused (`./nocturne dead-letters user_activity`), or a server is away | clear the task: nothing is lost or doubled |
| extract_features | Spark failed; bad files do not make it fail, not even such as kill their decoder | read its log, clear the task: what was extracted is kept, 500 files at a time |
| publish_features | too many audio files were refused, or Kafka is away | look at `quarantine`; clear the task |
| load_tracks | MongoDB or Kafka is away, or too many messages were refused | clear the task: nothing is lost or doubled |
| plan_candidate | MongoDB is away, or holds a track of another feature set | read the message; clear from load_tracks on |
| train_clusters, train_taste | Spark failed, or MongoDB is away; a half-trained model is never left | read its log, clear the task |
| build_tables | MongoDB is away, or tracks have left it since the plan, or were replaced by a later night | read the message; clear from load_tracks on, or from plan_candidate |
| check_candidate | a gate refused the candidate | its reasons stand in the log, in `models` and in its report; the old version is still live |
| approve_candidate | only where the run or NOCTURNE_APPROVE asks for approval: nobody could be asked; a rejection is green, and publish_version skipped | clear the task |
| publish_version | the stored tables are not what was built, or a scheduled night may not go live because a newer day is | clear from build_tables on; or see `./nocturne versions`, and roll back to a day that has been |

Transport errors are retried three times with growing pauses, bad data fails at once. Clearing
any task, or the whole run, is always safe: the same inputs leave the same bytes. A night that
failed is harmless for listeners: what was live stays live.
"""

import pendulum
from airflow.sdk import DAG, CronDataIntervalTimetable, chain, task

from nocturne.nights import NIGHTLY_CRON
from nocturne.steps.version import TRAININGS
from nocturne_airflow import assets
from nocturne_airflow.approval import ApproveCandidate
from nocturne_airflow.links import link_to_version
from nocturne_airflow.night import find_night
from nocturne_airflow.night_params import NIGHT_PARAMS
from nocturne_airflow.policies import MONGO_POOL, default_arguments
from nocturne_airflow.spark import SparkJob, take_from


def nightly():
    """The steps, imported where a task runs: parsing must be quick."""
    from nocturne_airflow import nightly as steps

    return steps


with DAG(
    "nightly_recommendations",
    schedule=CronDataIntervalTimetable(NIGHTLY_CRON, timezone="UTC"),
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=True,
    default_args=default_arguments(),
    params=NIGHT_PARAMS,
    doc_md=__doc__,
    tags=["nocturne", "music"],
):

    @task(inlets=[assets.LIBRARY], outlets=[assets.CATALOGUE])
    def land_library(params=None, dag_run=None):
        return nightly().land(params, find_night(params, dag_run), dag_run.run_id)

    @task(pool=MONGO_POOL, outlets=[assets.ACTIVITY_TOPIC, assets.LISTENS])
    def load_listens(params=None, dag_run=None):
        return nightly().load_listens(params, dag_run.run_id)

    extract_features = SparkJob(
        task_id="extract_features",
        arguments=take_from(
            "land_library", catalogue="catalogue", audio_dir="audio_dir", store="store",
            sample_rate="sample_rate", excerpt_seconds="excerpt_seconds", report="report",
        ),
        inlets=[assets.CATALOGUE],
        outlets=[assets.FEATURES],
    )  # fmt: skip

    @task(inlets=[assets.CATALOGUE, assets.FEATURES], outlets=[assets.TRACKS_TOPIC])
    def publish_features(ti=None, params=None, dag_run=None):
        landed, night = ti.xcom_pull("land_library"), find_night(params, dag_run)
        return nightly().publish_features(landed, night, dag_run.run_id)

    @task(pool=MONGO_POOL, inlets=[assets.TRACKS_TOPIC], outlets=[assets.TRACKS])
    def load_tracks(ti=None, dag_run=None):
        return nightly().load(ti.xcom_pull("land_library"), dag_run.run_id)

    @task(pool=MONGO_POOL, inlets=[assets.TRACKS, assets.LISTENS])
    def plan_candidate(ti=None, params=None, dag_run=None):
        landed, published = ti.xcom_pull("land_library"), ti.xcom_pull("publish_features")
        night = find_night(params, dag_run)
        return nightly().plan(landed, published, params, night, dag_run.run_id)

    train_clusters = SparkJob(
        task_id="train_clusters",
        arguments=take_from("plan_candidate", **TRAININGS["train_clusters"]),
        inlets=[assets.TRACKS],
        outlets=[assets.MODEL],
    )
    train_taste = SparkJob(
        task_id="train_taste",
        arguments=take_from("plan_candidate", **TRAININGS["train_taste"]),
        inlets=[assets.LISTENS],
        outlets=[assets.TASTE],
    )

    @task(pool=MONGO_POOL, inlets=assets.TRAINED, outlets=assets.TABLES)
    def build_tables(ti=None):
        return nightly().build(ti.xcom_pull("plan_candidate"))

    @task(pool=MONGO_POOL, inlets=assets.TABLES, outlets=[assets.REPORT])
    def check_candidate(ti=None):
        return nightly().check(ti.xcom_pull("plan_candidate"))

    approve_candidate = ApproveCandidate(
        task_id="approve_candidate",
        version="{{ ti.xcom_pull('plan_candidate')['version'] }}",
        subject="Publish {{ ti.xcom_pull('plan_candidate')['version'] }}?",
        body="{{ ti.xcom_pull('check_candidate')['summary'] }}",
    )

    @task(pool=MONGO_POOL, inlets=assets.TABLES, outlets=[assets.LIVE])
    def publish_version(ti=None, params=None, dag_run=None):
        return nightly().go_live(ti.xcom_pull("plan_candidate"), params, dag_run.run_type)

    landed, planned, built = land_library(), plan_candidate(), build_tables()
    chain(landed, extract_features, publish_features(), load_tracks(), planned)
    chain(landed, load_listens(), planned, [train_clusters, train_taste], built)
    chain(built, check_candidate(), approve_candidate, publish_version())
    link_to_version(planned)
