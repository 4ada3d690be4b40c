"""The listening DAG through the real scheduler: a file, a backfill, a window read again.

The tests of this file run in order on one stack; the DAG is paused again at their end.
"""

import json
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import bson
import pytest

from nocturne.nightly import connect_catalogue
from nocturne.settings import Settings
from nocturne.stack.airflow_api import AirflowApi
from nocturne.stack.airflow_runs import ENDED, follow_run, require_success
from nocturne.stack.stack import connect_airflow

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]
LISTENING = "listening_activity"
TEN_MINUTES = timedelta(minutes=10)


@pytest.fixture(scope="module")
def api(stack: Settings) -> Iterator[AirflowApi]:
    with connect_airflow(stack) as connected:
        connected.wait_for_dag(LISTENING)
        yield connected
        connected.set_paused(LISTENING, paused=True)


def last_interval(moment: datetime) -> tuple[datetime, datetime]:
    """The newest ten minutes that have ended then."""
    end = moment.replace(minute=moment.minute // 10 * 10, second=0, microsecond=0)
    return end - TEN_MINUTES, end


def run_listening(api: AirflowApi, claim: bool, **conf: str) -> str:
    """A green run by hand; with `claim` it takes the place of the one that the schedule would
    begin with, as soon as the DAG is not paused.
    """
    run_id = f"test__{uuid.uuid4().hex}"
    api.trigger(LISTENING, run_id, conf, last_interval(datetime.now(UTC)), claim_night=claim)
    api.set_paused(LISTENING, paused=False)
    require_success(api, follow_run(api, LISTENING, run_id, lambda tasks: None))
    return run_id


def read_answer(api: AirflowApi, run_id: str, task_id: str) -> dict[str, Any]:
    path = f"dags/{LISTENING}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries/return_value"
    return api.call("GET", path, params={"deserialize": True})["value"]


def find_listens(stack: Settings, events: list[dict[str, Any]]) -> list[bytes]:
    """The listens of these events as MongoDB has them, in the order of time."""
    chosen = {"_id": {"$in": [event["event_id"] for event in events]}}
    with connect_catalogue(stack) as catalogue:
        found = catalogue.database["listens"].find(chosen).sort("at")
        return [bson.encode(event) for event in found]


@pytest.fixture(scope="module")
def events() -> list[dict[str, Any]]:
    began = datetime.now(UTC) - timedelta(minutes=1)
    return [
        {
            "schema": 1,
            "event_id": str(uuid.uuid4()),
            "user_id": f"listener-{number}",
            "track_id": "900001",
            "action": "listen",
            "at": (began + timedelta(seconds=number)).isoformat(),
            "ms_played": 12000,
        }
        for number in range(3)
    ]


@pytest.fixture(scope="module")
def first_run(api: AirflowApi, events: list[dict[str, Any]], tmp_path_factory: Any) -> str:
    file: Path = tmp_path_factory.mktemp("activity") / "events.jsonl"
    file.write_text("".join(f"{json.dumps(event)}\n" for event in events), encoding="utf-8")
    return run_listening(api, claim=True, activity_file=str(file))


def test_a_file_of_events_becomes_listens(
    first_run: str, api: AirflowApi, stack: Settings, events: list[dict[str, Any]]
) -> None:
    assert read_answer(api, first_run, "publish_activity")["sent"] == 3
    loaded = read_answer(api, first_run, "load_listens")
    assert loaded["changed"] >= 3
    assert "replayed" not in loaded
    found = [bson.decode(event)["_id"] for event in find_listens(stack, events)]
    assert found == [event["event_id"] for event in events]


def test_a_backfill_reads_its_ten_minutes_again(first_run: str, api: AirflowApi) -> None:
    start, end = last_interval(datetime.now(UTC) - timedelta(hours=1))
    backfill = api.create_backfill(LISTENING, start, start)
    deadline = time.monotonic() + 120
    runs: dict[str, str] = {}
    while not (runs and set(runs.values()) <= set(ENDED)):
        assert time.monotonic() < deadline, runs
        time.sleep(0.5)
        runs = api.backfill_runs(backfill, LISTENING, start, start)
    [(run_id, state)] = runs.items()
    assert state == "success"
    replayed = read_answer(api, run_id, "load_listens")["replayed"]
    assert replayed.items() >= {"start": start.isoformat(), "end": end.isoformat()}.items()


def test_a_window_brings_back_what_was_lost(
    first_run: str, api: AirflowApi, stack: Settings, events: list[dict[str, Any]]
) -> None:
    before = find_listens(stack, events)
    with connect_catalogue(stack) as catalogue:
        catalogue.database["listens"].delete_one({"_id": events[1]["event_id"]})
    now = datetime.now(UTC)
    window = {"window_start": now - timedelta(hours=1), "window_end": now}
    conf = {name: moment.isoformat() for name, moment in window.items()}
    run_id = run_listening(api, claim=False, **conf)
    replayed = read_answer(api, run_id, "load_listens")["replayed"]
    assert replayed["read"] >= 3
    assert replayed["changed"] == 1
    assert find_listens(stack, events) == before
