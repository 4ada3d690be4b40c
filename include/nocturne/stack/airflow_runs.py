"""Runs of a DAG, started and followed over Airflow's API."""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx

from nocturne.errors import NocturneError
from nocturne.nights import Night
from nocturne.stack.airflow_api import AirflowApi, Refused, TaskState

NIGHTLY = "nightly_recommendations"
POLL_SECONDS = 1.0
ENDED = ("success", "failed")
LAST_LINES = 25
REASON = re.compile(
    r"([a-z_]\w*\.)*(BadInput|ServiceUnavailable|TooManyRefusals|Misuse|\w+(Error|Exception)): ."
)
"""How Python ends the traceback of an exception."""
Watch = Callable[[list[TaskState]], None]


@dataclass(frozen=True)
class Run:
    dag_id: str
    run_id: str
    state: str
    tasks: list[TaskState]


def start_night(api: AirflowApi, night: Night, conf: dict[str, Any]) -> str:
    """Trigger the nightly DAG for a night and let the schedule go on from there; the run's id.

    The run takes the night's place in the schedule if that is free, so that Airflow does not
    start a second one for it.
    """
    api.wait_for_dag(NIGHTLY)
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
    run_id = f"manual__{night.data_date}__{now}"
    conf = {"date": night.data_date, **conf}
    interval = (night.start, night.end)
    try:
        api.trigger(NIGHTLY, run_id, conf, interval, claim_night=True)
    except Refused as refusal:
        if refusal.status != httpx.codes.CONFLICT:
            raise
        api.trigger(NIGHTLY, run_id, conf, interval, claim_night=False)
    api.set_paused(NIGHTLY, paused=False)
    return run_id


def follow_run(api: AirflowApi, dag_id: str, run_id: str, watch: Watch) -> Run:
    """Watch a run to its end, showing `watch` the states of its tasks about every second."""
    while True:
        run = find_run(api, dag_id, run_id)
        watch(run.tasks)
        if run.state in ENDED:
            return run
        time.sleep(POLL_SECONDS)


def find_run(api: AirflowApi, dag_id: str, run_id: str) -> Run:
    """A run as it is now."""
    state = api.run_state(dag_id, run_id)
    return Run(dag_id, run_id, state, api.task_states(dag_id, run_id))


def require_success(api: AirflowApi, run: Run) -> None:
    """Raise NocturneError with the last words of the tasks that failed."""
    if run.state == "success":
        return
    failed = [task for task in run.tasks if task.state == "failed"]
    words = "\n".join(
        f"{task.task_id} (try {task.try_number}):\n{last_lines(api, run, task)}" for task in failed
    )
    raise NocturneError(f"Run {run.run_id} of {run.dag_id} failed.\n{words}")


def last_lines(api: AirflowApi, run: Run, task: TaskState) -> str:
    """Why the task failed, as far as its log says so, and the log's end."""
    try:
        lines = api.task_log(run.dag_id, run.run_id, task)
    except NocturneError as error:
        lines = [f"Its log cannot be read. {error}"]
    reason = find_reason(lines)
    told = [reason, "The end of its log:"] if reason else []
    return "\n".join(f"  {line}" for line in [*told, *lines[-LAST_LINES:]])


def find_reason(lines: list[str]) -> str:
    """The last line that names an exception and what it says; empty if none does."""
    return next((line.strip() for line in reversed(lines) if REASON.match(line.strip())), "")


def start_backfill(api: AirflowApi, first: Night, last: Night) -> int:
    """Ask for the nights from the first to the last, both included; the backfill's id."""
    api.wait_for_dag(NIGHTLY)
    backfill = api.create_backfill(NIGHTLY, first.start, last.start)
    api.set_paused(NIGHTLY, paused=False)
    return backfill


def follow_backfill(
    api: AirflowApi, backfill: int, first: Night, last: Night
) -> Iterator[dict[str, str]]:
    """The state of each of the backfill's runs by id, about every second, until all have ended."""
    nights = (last.start - first.start).days + 1
    while True:
        runs = api.backfill_runs(backfill, NIGHTLY, first.start, last.start)
        yield runs
        if len(runs) == nights and all(state in ENDED for state in runs.values()):
            return
        time.sleep(POLL_SECONDS)
