"""# Listening activity

Every ten minutes: brings what listeners did (listen, like, skip, hide) from the topic
`user_activity` into the collection `listens`, where each event stands once, by its `event_id`, and
an index keeps them in the order of time.

**Parameters** (trigger form): a file of events to send first, one JSON object a line, at a path
that Airflow's workers can read; and a window, both ends or none, whose records are read again. A
moment without a zone is UTC.

**What a run sees.** All that was not read yet, up to the end that the topic has when the run
begins, whatever the run's interval is: a run that was missed or red loses nothing, the next one
reads on. A backfill, and a run with a window, then read again what was sent to Kafka in that time
(a backfill: in the ten minutes of each of its runs): what is missing in `listens` comes back, what
is there stays as it is. Kafka keeps records for 30 days; for an older window the answer of
`load_listens` says since when the topic is whole (`kept_since`).

**When it is red**

| task | means | do |
|---|---|---|
| publish_activity | the file is missing or breaks the contract, and then nothing of it was sent; or Kafka or MongoDB is away | the message names the line: mend it; clear the task |
| load_listens | the window is none; too many messages were refused (`./nocturne dead-letters user_activity`); MongoDB or Kafka is away; or retention has removed what was not read | read the message; clear the task: nothing is lost or doubled |

Transport errors are retried three times with growing pauses, bad data fails at once. Clearing
either task is always safe: the same records leave the same bytes. A red run is harmless as long as
a later one is green within the 30 days. Without a file, `publish_activity` sends the events of the
synthesised sample library, if that is the library of this installation, and those that are stored
already never again.
"""

import pendulum
from airflow.sdk import DAG, CronDataIntervalTimetable, Param, chain, task

from nocturne.nights import LISTENING_CRON
from nocturne_airflow import assets
from nocturne_airflow.policies import MONGO_POOL, default_arguments

PARAMS = {
    "activity_file": Param(
        None,
        type=["null", "string"],
        title="File of events, one JSON object a line, to send first",
    ),
    "window_start": Param(
        None, type=["null", "string"], format="date-time", title="Read again what was sent since"
    ),
    "window_end": Param(None, type=["null", "string"], format="date-time", title="… and before"),
}

with DAG(
    "listening_activity",
    schedule=CronDataIntervalTimetable(LISTENING_CRON, timezone="UTC"),
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=True,
    default_args=default_arguments(),
    params=PARAMS,
    doc_md=__doc__,
    tags=["nocturne", "music"],
):

    @task(outlets=[assets.ACTIVITY_TOPIC])
    def publish_activity(params=None):
        from nocturne_airflow import listening

        return listening.publish(params)

    @task(pool=MONGO_POOL, inlets=[assets.ACTIVITY_TOPIC], outlets=[assets.LISTENS])
    def load_listens(params=None, dag_run=None):
        from nocturne_airflow import listening

        return listening.load(listening.choose_window(params, dag_run), dag_run.run_id)

    chain(publish_activity(), load_listens())
