"""Airflow's REST API, as far as Nocturne uses it."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx

from nocturne.errors import BadInput, NocturneError, ServiceUnavailable

# A new home's scheduler has read the DAG folder after some 15 s; a slow machine takes longer.
PARSE_SECONDS = 180
# An API server that died is back after some 15 s.
AWAY_SECONDS = 90
# Airflow gives no more rows at once, whatever one asks for.
PAGE_ROWS = 100


@dataclass(frozen=True)
class TaskState:
    """A task of a run; `state` is None until the scheduler has looked at it."""

    task_id: str
    state: str | None
    try_number: int
    seconds: float | None


class Refused(NocturneError):
    """Airflow's API answered a call with an error."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class AirflowApi:
    """A logged-in session with Airflow's API, version 2."""

    def __init__(self, client: httpx.Client, token: str) -> None:
        self.client = client
        self.client.headers["Authorization"] = f"Bearer {token}"

    @classmethod
    def log_in(cls, client: httpx.Client, user: str, password: str) -> "AirflowApi":
        """Raises ServiceUnavailable if nobody answers, BadInput if the login is refused."""
        try:
            answer = client.post("/auth/token", json={"username": user, "password": password})
        except httpx.TransportError as error:
            raise ServiceUnavailable(
                f"Airflow does not answer at {client.base_url} ({error}); is it up?"
                " `./nocturne status` tells, `./nocturne up` starts it."
            ) from error
        if answer.status_code in (401, 403):
            raise BadInput(
                f"Airflow at {client.base_url} refused the login of {user!r}: its"
                " password is `airflow_admin` in stack/passwords.json of NOCTURNE_HOME."
            )
        if answer.is_error:
            raise Refused(f"Airflow refused the login: {answer.text}", answer.status_code)
        return cls(client, answer.json()["access_token"])

    def call(self, method: str, path: str, **arguments: Any) -> Any:
        """The JSON of an answer.

        Raises Refused with Airflow's own words if it refuses, ServiceUnavailable if it is away.
        """
        answer = self.send(method, path, **arguments)
        if answer.is_error:
            message = f"Airflow refused {method} {path}: {answer.status_code} {answer.text}"
            raise Refused(message, answer.status_code)
        return answer.json() if answer.content else None

    def send(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        """The answer to a request.

        A question (GET) is asked again while Airflow is away, and any request while its SQLite
        is locked by another process: Airflow says so with 503, and has then done nothing.
        """
        started = time.monotonic()
        while True:
            patient = time.monotonic() < started + AWAY_SECONDS
            try:
                answer = self.client.request(method, f"/api/v2/{path}", **arguments)
            except httpx.TransportError as error:
                if method != "GET" or not patient:
                    raise ServiceUnavailable(
                        f"Airflow went away during {method} {path} ({error}); `./nocturne status`"
                        " tells how it is."
                    ) from error
            else:
                locked = answer.status_code == httpx.codes.SERVICE_UNAVAILABLE
                again = locked or (method == "GET" and answer.is_server_error)
                if not (again and patient):
                    return answer
            time.sleep(1)

    def list_rows(self, path: str, name: str, **params: Any) -> Iterator[dict[str, Any]]:
        """All rows of a list that Airflow gives page by page."""
        offset, total = 0, 1
        while offset < total:
            page = {"limit": PAGE_ROWS, "offset": offset}
            answer = self.call("GET", path, params={**params, **page})
            yield from answer[name]
            offset, total = offset + PAGE_ROWS, answer["total_entries"]

    def ensure_pools(self, pools: dict[str, int]) -> None:
        known = {pool["name"] for pool in self.list_rows("pools", "pools")}
        for name, slots in pools.items():
            if name not in known:
                self.call("POST", "pools", json={"name": name, "slots": slots})

    def wait_for_dag(self, dag_id: str) -> None:
        """Wait until the scheduler knows the DAG; raises BadInput with its import error."""
        deadline = time.monotonic() + PARSE_SECONDS
        while self.send("GET", f"dags/{dag_id}").status_code == httpx.codes.NOT_FOUND:
            errors = self.list_rows("importErrors", "import_errors")
            broken = [error for error in errors if error["filename"].endswith(f"{dag_id}.py")]
            if broken:
                raise BadInput(f"dags/{dag_id}.py cannot be read: {broken[0]['stack_trace']}")
            if time.monotonic() > deadline:
                raise ServiceUnavailable(
                    f"Airflow has not read {dag_id} in {PARSE_SECONDS} s; see"
                    " `./nocturne logs airflow-dag-processor`."
                )
            time.sleep(1)

    def set_paused(self, dag_id: str, *, paused: bool) -> None:
        self.call("PATCH", f"dags/{dag_id}", json={"is_paused": paused})

    def trigger(
        self,
        dag_id: str,
        run_id: str,
        conf: dict[str, Any],
        interval: tuple[datetime, datetime],
        *,
        claim_night: bool,
    ) -> None:
        """Start a run by hand.

        With `claim_night` it is the run of that data interval: the scheduler makes no other.
        Airflow allows one such run an interval and answers 409 to a second.
        """
        start, end = (moment.isoformat() for moment in interval)
        body: dict[str, Any] = {"dag_run_id": run_id, "logical_date": None, "conf": conf}
        if claim_night:
            body |= {
                "logical_date": start,
                "data_interval_start": start,
                "data_interval_end": end,
            }
        self.call("POST", f"dags/{dag_id}/dagRuns", json=body)

    def run_state(self, dag_id: str, run_id: str) -> str:
        return str(self.call("GET", f"dags/{dag_id}/dagRuns/{run_id}")["state"])

    def task_states(self, dag_id: str, run_id: str) -> list[TaskState]:
        path = f"dags/{dag_id}/dagRuns/{run_id}/taskInstances"
        return [
            TaskState(task["task_id"], task["state"], task["try_number"], task["duration"])
            for task in self.list_rows(path, "task_instances")
        ]

    def task_log(self, dag_id: str, run_id: str, task: TaskState) -> list[str]:
        """The lines of a task's last try, with the errors that it raised."""
        path = f"dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task.task_id}/logs/{task.try_number}"
        content = self.call("GET", path, headers={"Accept": "application/json"})["content"]
        return [line for entry in content for line in describe_entry(entry)]

    def create_backfill(self, dag_id: str, first: datetime, last: datetime) -> int:
        """Ask for one run a night, the oldest first; runs that are there are done again."""
        body = {
            "dag_id": dag_id,
            "from_date": first.isoformat(),
            "to_date": last.isoformat(),
            "reprocess_behavior": "completed",
            "max_active_runs": 1,
            # A night that was run by hand forgets what it was run with then.
            "dag_run_conf": {},
        }
        return int(self.call("POST", "backfills", json=body)["id"])

    def backfill_runs(
        self, backfill: int, dag_id: str, first: datetime, last: datetime
    ) -> dict[str, str]:
        """The runs of a backfill so far: the state by run id, in the order of their nights."""
        window = {"logical_date_gte": first.isoformat(), "logical_date_lte": last.isoformat()}
        rows = self.list_rows(
            f"dags/{dag_id}/dagRuns", "dag_runs", **window, order_by="logical_date"
        )
        return {run["dag_run_id"]: run["state"] for run in rows}


def describe_entry(entry: Any) -> list[str]:
    """The lines of a log entry: what it says, and type and words of an exception beside it."""
    if not isinstance(entry, dict):
        return [str(entry)]
    errors = entry.get("error_detail") or []
    return [str(entry["event"]), *(f"{one['exc_type']}: {one['exc_value']}" for one in errors)]
