"""Against an Airflow in memory that answers as the real one does."""

import json
import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from nocturne.errors import BadInput, NocturneError, ServiceUnavailable
from nocturne.nights import night_of
from nocturne.stack import airflow_api, airflow_runs
from nocturne.stack.airflow_api import AirflowApi, Refused, TaskState
from nocturne.stack.airflow_runs import (
    NIGHTLY,
    Run,
    find_reason,
    follow_backfill,
    follow_run,
    last_lines,
    require_success,
    start_backfill,
    start_night,
)

Answer = Callable[[httpx.Request], httpx.Response]
NIGHT = night_of(date(2026, 11, 19))
LARGEST_PAGE = 100


class FakeAirflow:
    """Answers by the first pattern that fits; every request is kept."""

    def __init__(self) -> None:
        self.answers: list[tuple[str, Answer]] = []
        self.requests: list[tuple[str, str, Any]] = []
        self.clock = 0.0

    def on(self, pattern: str, answer: Answer | Any, status: int = 200) -> None:
        reply = answer if callable(answer) else lambda _: httpx.Response(status, json=answer)
        self.answers.insert(0, (pattern, reply))

    def on_rows(self, pattern: str, name: str, rows: list[dict]) -> None:
        def answer(request: httpx.Request) -> httpx.Response:
            limit = min(int(request.url.params.get("limit", 50)), LARGEST_PAGE)
            offset = int(request.url.params.get("offset", 0))
            page = {name: rows[offset : offset + limit], "total_entries": len(rows)}
            return httpx.Response(200, json=page)

        self.on(pattern, answer)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        asked = f"{request.method} {request.url.path}"
        body = json.loads(request.content) if request.content else None
        self.requests.append((request.method, request.url.path, body))
        assert asked == "POST /auth/token" or request.headers["Authorization"] == "Bearer t0ken"
        for pattern, answer in self.answers:
            if re.search(pattern, asked):
                return answer(request)
        return httpx.Response(404, json={"detail": f"nothing at {asked}"})

    def bodies(self, method: str) -> list[Any]:
        return [body for asked, _, body in self.requests if asked == method]


@pytest.fixture
def server(monkeypatch) -> FakeAirflow:
    """An Airflow, and a clock that moves when somebody sleeps."""
    server = FakeAirflow()
    server.on("POST /auth/token", {"access_token": "t0ken"}, 201)

    def sleep(seconds: float) -> None:
        server.clock += seconds

    clock = SimpleNamespace(monotonic=lambda: server.clock, sleep=sleep)
    monkeypatch.setattr(airflow_api, "time", clock)
    monkeypatch.setattr(airflow_runs, "time", clock)
    return server


@pytest.fixture
def client(server) -> httpx.Client:
    with httpx.Client(transport=httpx.MockTransport(server), base_url="http://airflow") as client:
        yield client


@pytest.fixture
def api(client) -> AirflowApi:
    return AirflowApi.log_in(client, "admin", "s3cret")


def cut(_request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("connection refused")


def test_a_login_is_sent_once_and_its_token_with_every_call(server, api):
    server.on("GET /api/v2/version", {"version": "3"})
    assert api.call("GET", "version") == {"version": "3"}
    assert server.bodies("POST") == [{"username": "admin", "password": "s3cret"}]


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_login_is_bad_input_without_the_password(server, client, status):
    server.on("POST /auth/token", {"detail": "no"}, status)
    with pytest.raises(BadInput, match="refused the login of 'admin'") as refused:
        AirflowApi.log_in(client, "admin", "s3cret")
    assert "s3cret" not in str(refused.value)


def test_a_login_that_breaks_the_server_is_told(server, client):
    server.on("POST /auth/token", {"detail": "the database is locked"}, 500)
    with pytest.raises(Refused, match="the database is locked"):
        AirflowApi.log_in(client, "admin", "s3cret")


def test_where_nobody_answers_the_login_says_what_to_do(server, client):
    server.on("POST /auth/token", cut)
    with pytest.raises(ServiceUnavailable, match=r"http://airflow.*\./nocturne up"):
        AirflowApi.log_in(client, "admin", "s3cret")


def test_a_refusal_carries_airflows_words_and_its_status(server, api):
    server.on("POST /api/v2/pools", {"detail": "Pool exists [already]"}, 409)
    with pytest.raises(Refused, match=r"POST pools: 409 .*Pool exists \[already\]") as refused:
        api.call("POST", "pools", json={})
    assert refused.value.status == 409


def test_an_empty_answer_is_none(server, api):
    server.on("DELETE", lambda _: httpx.Response(204))
    assert api.call("DELETE", "dags/x") is None


@pytest.mark.parametrize("trouble", [cut, lambda _: httpx.Response(503, text="starting")])
def test_a_question_is_asked_again_until_the_server_is_back(server, api, trouble):
    answers = iter([trouble, trouble, lambda _: httpx.Response(200, json={"state": "running"})])
    server.on("GET /api/v2/dags/d/dagRuns/r$", lambda request: next(answers)(request))
    assert api.run_state("d", "r") == "running"
    assert server.clock == 2


def test_a_server_that_stays_away_is_told_after_a_while(server, api):
    server.on("GET", cut)
    with pytest.raises(
        ServiceUnavailable, match=r"went away during GET dags/d.*connection refused"
    ):
        api.run_state("d", "r")
    assert server.clock == airflow_api.AWAY_SECONDS


def test_a_server_that_stays_broken_is_told_in_its_own_words(server, api):
    server.on("GET", {"detail": "disk full"}, 500)
    with pytest.raises(Refused, match=r"500 .*disk full"):
        api.run_state("d", "r")


def test_an_order_is_never_given_twice(server, api):
    server.on("POST /api/v2/backfills", cut)
    with pytest.raises(ServiceUnavailable, match="went away during POST backfills"):
        api.create_backfill("d", NIGHT.start, NIGHT.start)
    assert len(server.bodies("POST")) == 2, "the login and the order"


def test_an_order_that_met_a_locked_database_is_given_again(server, api):
    answers = iter([503, 503, 200])
    server.on("POST /api/v2/backfills", lambda _: httpx.Response(next(answers), json={"id": 7}))
    assert api.create_backfill("d", NIGHT.start, NIGHT.start) == 7
    assert server.clock == 2


def test_missing_pools_are_made_and_others_left(server, api):
    server.on_rows("GET /api/v2/pools", "pools", [{"name": "default_pool"}, {"name": "spark"}])
    server.on("POST /api/v2/pools", {}, 201)
    api.ensure_pools({"spark": 1, "mongo": 4})
    assert server.bodies("POST")[1:] == [{"name": "mongo", "slots": 4}]


def test_a_dag_that_is_not_read_yet_is_waited_for(server, api):
    server.on_rows("GET /api/v2/importErrors", "import_errors", [{"filename": "other.py"}])
    answers = iter([404, 404, 200])
    server.on("GET /api/v2/dags/d$", lambda _: httpx.Response(next(answers), json={}))
    api.wait_for_dag("d")
    assert server.clock == 2


def test_a_dag_that_cannot_be_read_is_bad_input_with_its_error(server, api):
    broken = {"filename": "sub/d.py", "stack_trace": "SyntaxError: line 3"}
    server.on_rows("GET /api/v2/importErrors", "import_errors", [broken])
    with pytest.raises(BadInput, match=r"dags/d\.py cannot be read: SyntaxError: line 3"):
        api.wait_for_dag("d")


def test_a_dag_that_is_never_read_is_told_with_the_log_to_read(server, api):
    server.on_rows("GET /api/v2/importErrors", "import_errors", [])
    with pytest.raises(ServiceUnavailable, match=r"has not read d .*logs airflow-dag-processor"):
        api.wait_for_dag("d")


@pytest.mark.parametrize("count", [0, 1, 100, 101, 250])
def test_lists_are_read_to_their_end(server, api, count):
    """Airflow gives 100 rows at most, whatever limit one asks for."""
    tasks = [
        {"task_id": f"t{number}", "state": None, "try_number": 0, "duration": None}
        for number in range(count)
    ]
    server.on_rows("taskInstances", "task_instances", tasks)
    found = api.task_states("d", "r")
    assert [task.task_id for task in found] == [task["task_id"] for task in tasks]


def test_a_log_is_lines_whatever_form_airflow_gives_them(server, api):
    server.on("GET .*/taskInstances/t/logs/2", {"content": [{"event": "one"}, "two"]})
    assert api.task_log("d", "r", TaskState("t", "failed", 2, 1.0)) == ["one", "two"]


def ready(server: FakeAirflow) -> None:
    server.on(f"GET /api/v2/dags/{NIGHTLY}$", {})
    server.on(f"PATCH /api/v2/dags/{NIGHTLY}", {})
    server.on("POST .*/dagRuns", {})
    server.on("POST /api/v2/backfills", {"id": 7})


def test_a_night_takes_its_place_in_the_schedule(server, api):
    ready(server)
    run_id = start_night(api, NIGHT, {"audio_folder": "/music"})
    assert re.fullmatch(r"manual__2026-11-19__\d{8}T\d{12}", run_id)
    assert server.bodies("POST")[-1] == {
        "dag_run_id": run_id,
        "conf": {"date": "2026-11-19", "audio_folder": "/music"},
        "logical_date": "2026-11-19T02:00:00+00:00",
        "data_interval_start": "2026-11-19T02:00:00+00:00",
        "data_interval_end": "2026-11-20T02:00:00+00:00",
    }
    assert server.bodies("PATCH") == [{"is_paused": False}]


def test_a_second_run_of_a_night_stands_beside_the_first(server, api):
    ready(server)

    def only_one(request: httpx.Request) -> httpx.Response:
        claimed = json.loads(request.content)["logical_date"] is not None
        return httpx.Response(409 if claimed else 200, json={})

    server.on("POST .*/dagRuns", only_one)
    run_id = start_night(api, NIGHT, {})
    assert server.bodies("POST")[-1] == {
        "dag_run_id": run_id,
        "conf": {"date": "2026-11-19"},
        "logical_date": None,
    }


def test_another_refusal_to_start_is_told_and_the_schedule_stays_paused(server, api):
    ready(server)
    server.on("POST .*/dagRuns", {"detail": "conf is invalid"}, 400)
    with pytest.raises(Refused, match="conf is invalid"):
        start_night(api, NIGHT, {})
    assert server.bodies("PATCH") == []


def test_a_run_is_watched_to_its_end(server, api):
    states = iter(["queued", "running", "failed"])
    server.on("GET .*/dagRuns/r$", lambda _: httpx.Response(200, json={"state": next(states)}))
    task = {"task_id": "t", "state": "failed", "try_number": 1, "duration": 2.5}
    server.on_rows("taskInstances", "task_instances", [task])
    seen = []
    run = follow_run(api, "d", "r", seen.append)
    assert run == Run("d", "r", "failed", [TaskState("t", "failed", 1, 2.5)])
    assert seen == [run.tasks] * 3


def test_a_failed_run_is_told_by_the_last_words_of_what_failed(server, api):
    tasks = [TaskState("land", "success", 1, 1.0), TaskState("train", "failed", 2, 3.0)]
    lines = [{"event": f"line {number}"} for number in range(40)]
    server.on("GET .*/taskInstances/train/logs/2", {"content": lines})
    require_success(api, Run("d", "r", "success", tasks))
    with pytest.raises(NocturneError) as failed:
        require_success(api, Run("d", "r", "failed", tasks))
    message = str(failed.value)
    assert message.startswith("Run r of d failed.\ntrain (try 2):\n  line 15\n")
    assert message.endswith("\n  line 39")
    assert "land" not in message


def test_the_reason_of_a_failed_task_comes_first(server, api):
    lines = ["starting", "nocturne.errors.BadInput: No track of x.csv has an audio file.", "done"]
    lines += [f"line {number}" for number in range(40)]
    server.on("GET .*/taskInstances/land/logs/1", {"content": [{"event": one} for one in lines]})
    task = TaskState("land", "failed", 1, 1.0)
    told = last_lines(api, Run("d", "r", "failed", [task]), task).splitlines()
    assert told[0] == f"  {lines[1]}"
    assert told[2:] == [f"  line {number}" for number in range(15, 40)]


@pytest.mark.parametrize(
    ("line", "is_reason"),
    [
        ("ValueError: no", True), ("  pymongo.errors.AutoReconnect: gone", False),
        ("airflow.exceptions.AirflowException: it failed", True), ("KeyError: 'tables'", True),
        ("An error: of ours", False), ("BadInput", False), ("2026 ERROR ValueError: x", False),
    ],
)  # fmt: skip
def test_a_reason_is_the_end_of_a_traceback(line, is_reason):
    assert bool(find_reason([line])) is is_reason


def test_a_log_that_is_gone_does_not_hide_that_the_run_failed(server, api):
    told = last_lines(api, Run("d", "r", "failed", []), TaskState("t", "failed", 1, None))
    assert told.startswith("  Its log cannot be read. Airflow refused GET dags/d/dagRuns/r/")


def test_a_backfill_asks_for_both_ends_and_lets_the_schedule_go_on(server, api):
    ready(server)
    assert start_backfill(api, NIGHT, night_of(date(2026, 11, 20))) == 7
    assert server.bodies("POST")[-1] == {
        "dag_id": NIGHTLY,
        "from_date": "2026-11-19T02:00:00+00:00",
        "to_date": "2026-11-20T02:00:00+00:00",
        "reprocess_behavior": "completed",
        "max_active_runs": 1,
        "dag_run_conf": {},
    }
    assert server.bodies("PATCH") == [{"is_paused": False}]


def test_a_long_backfill_is_followed_to_the_end_of_each_of_its_nights(server, api):
    """Longer than a page of Airflow's, of nights that are created one after another."""
    first, last = night_of(date(2026, 3, 1)), night_of(date(2026, 10, 31))
    nights = 245
    rounds = iter([0, 100, nights, nights, nights])
    created = {"count": 0, "ended": 0}

    def answer(request: httpx.Request) -> httpx.Response:
        params = request.url.params
        assert params["logical_date_gte"] == "2026-03-01T02:00:00+00:00"
        assert params["logical_date_lte"] == "2026-10-31T02:00:00+00:00"
        assert params["order_by"] == "logical_date"
        offset = int(params["offset"])
        if offset == 0:
            created["count"] = next(rounds)
            created["ended"] = max(created["count"] - 100, created["ended"] + 49)
        rows = [
            {
                "dag_run_id": f"run {night}",
                "state": "success" if night < created["ended"] else "queued",
            }
            for night in range(created["count"])
        ]
        page = {"dag_runs": rows[offset : offset + LARGEST_PAGE], "total_entries": len(rows)}
        return httpx.Response(200, json=page)

    server.on(f"GET /api/v2/dags/{NIGHTLY}/dagRuns$", answer)
    followed = list(follow_backfill(api, 7, first, last))
    assert [len(runs) for runs in followed] == [0, 100, nights, nights, nights]
    assert set(followed[-1].values()) == {"success"}


def test_moments_are_sent_with_their_zone(server, api):
    ready(server)
    interval = (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC))
    api.trigger(NIGHTLY, "r", {}, interval, claim_night=True)
    assert server.bodies("POST")[-1]["data_interval_end"] == "2026-01-02T00:00:00+00:00"
