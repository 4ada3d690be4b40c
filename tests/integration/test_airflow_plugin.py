"""Nocturne inside the real Airflow: who gets in, what they may do, what the tabs say."""

import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime

import httpx
import jwt
import pytest
from live_library import publish_library

from nocturne.nightly import connect_catalogue
from nocturne.settings import Settings
from nocturne.stack.airflow_api import AirflowApi
from nocturne.stack.airflow_runs import NIGHTLY
from nocturne.stack.passwords import read_passwords
from nocturne.stack.stack import connect_airflow
from nocturne.store.versions import TABLES, live_version

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

VERSION = "2026-01-02.0123456789ab"
RUN = "scheduled__2026-01-02T02:00:00+00:00"
LATER_RUN = "manual__2026-01-02__again"
PAGES = (
    "/",
    "/models",
    f"/dags/{NIGHTLY}",
    f"/dags/{NIGHTLY}/runs/{RUN}",
    f"/reports/{VERSION}.html",
)
GATE = {"rule": "tracks", "passed": False, "value": 1, "threshold": 2, "meaning": "enough to show"}
MODEL = {
    "_id": VERSION,
    "data_date": VERSION[:10],
    "made_at": datetime(2026, 1, 3, 2, 5, tzinfo=UTC),
    "state": "refused",
    "run_id": RUN,
    "runs": [RUN, LATER_RUN],
    "inputs": {"tracks": 1},
    "verdicts": [{**GATE, "rule": "rows_kept", "passed": True}, GATE],
    "clustering": {
        "chosen": {"k": 3, "knee": 3, "reason": "the knee of the distortion"},
        "final": {"silhouette": 0.25, "stability": 0.5, "largest_share": 0.4},
    },
    "ranking": {
        "models": [
            {"model": "popularity", "ndcg@10": 0.125, "recall@10": 0.2, "coverage": 0.3},
            {"model": "nocturne", "ndcg@10": 0.5, "recall@10": 0.6, "coverage": 0.7},
        ]
    },
}


@pytest.fixture(scope="module")
def airflow(stack: Settings) -> Iterator[httpx.Client]:
    """Airflow without a login; a path is one of the plugin's."""
    with httpx.Client(base_url=f"{stack.airflow_url}/nocturne", timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def api(stack: Settings) -> Iterator[AirflowApi]:
    with connect_airflow(stack) as connected:
        yield connected


@pytest.fixture(scope="module")
def admin(api: AirflowApi) -> dict[str, str]:
    return {"Authorization": api.client.headers["Authorization"]}


def sign(stack: Settings, admin: dict[str, str], secret: str = "", **claims: str) -> dict[str, str]:
    """A token as Airflow makes it, for somebody else than the admin."""
    token = admin["Authorization"].removeprefix("Bearer ")
    header = jwt.get_unverified_header(token)
    known = jwt.decode(token, options={"verify_signature": False})
    passwords = read_passwords(stack.stack_dir)
    assert passwords is not None
    somebody = {**known, "jti": uuid.uuid4().hex, **claims}
    signed = jwt.encode(
        somebody, secret or passwords.airflow_jwt, algorithm=header["alg"], headers=header
    )
    return {"Authorization": f"Bearer {signed}"}


@pytest.fixture(scope="module")
def viewer(stack: Settings, admin: dict[str, str]) -> dict[str, str]:
    return sign(stack, admin, sub="vera", role="viewer")


@pytest.fixture(scope="module")
def made(stack: Settings) -> Iterator[str]:
    """A refused version with its report, taken away again: other tests count versions."""
    stack.reports_dir.mkdir(exist_ok=True)
    report = stack.reports_dir / f"{VERSION}.html"
    report.write_text("<script>draw()</script> the report", encoding="utf-8")
    with connect_catalogue(stack) as catalogue:
        models = catalogue.database["models"]
        models.replace_one({"_id": VERSION}, MODEL, upsert=True)
        yield VERSION
        models.delete_one({"_id": VERSION})
    report.unlink()


# Who gets in


@pytest.mark.parametrize("path", [*PAGES, "/metrics", "/health/ready", "/reports/plotly.min.js"])
def test_nobody_reads_without_a_login(airflow, path):
    assert airflow.get(path).status_code == 401


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/v1/versions"),
        ("GET", "/api/v1/openapi.json"),
        ("GET", "/api/v1/listeners/ada/recommendations"),
        ("GET", "/api/v1/listeners/ada/stream"),
        ("GET", "/api/v1/health/live"),
        ("POST", "/api/v1/events"),
        ("POST", "/api/v1/recommend_songs"),
        ("PUT", "/api/v1/simulation"),
    ],
)
def test_nobody_uses_the_api_without_a_login(airflow, method, path):
    answer = airflow.request(method, path, json=None if method == "GET" else [{}])
    assert answer.status_code == 401
    assert answer.json()["title"] == "Unauthorized"


def test_a_page_says_where_to_log_in(airflow, stack):
    page = airflow.get("/models").text
    wanted = stack.airflow_url.replace(":", "%3A").replace("/", "%2F")
    assert f'href="/api/v2/auth/login?next={wanted}%2Fnocturne%2Fmodels"' in page


def test_fastapi_describes_the_app_nowhere_else(airflow):
    for path in ("/openapi.json", "/docs", "/redoc"):
        assert airflow.get(path).status_code == 404


def test_a_token_of_somebody_elses_making_is_refused(airflow, stack, admin):
    forged = sign(stack, admin, secret="k" * 64, role="admin")
    assert airflow.get("/api/v1/versions", headers=forged).status_code == 403


def test_the_login_of_the_ui_is_enough(airflow, admin, made):
    """Airflow's UI keeps the token in a cookie."""
    cookie = {"Cookie": f"_token={admin['Authorization'].removeprefix('Bearer ')}"}
    answer = airflow.get("/api/v1/versions", headers=cookie)
    assert made in [version["version"] for version in answer.json()["versions"]]


def test_the_api_is_described_as_it_is_reached(airflow, viewer):
    document = airflow.get("/api/v1/openapi.json", headers=viewer).json()
    assert document["servers"] == [{"url": "/nocturne"}]
    assert "/api/v1/listeners/{user_id}/recommendations" in document["paths"]


# Who may do what


def test_a_viewer_reads(airflow, viewer, made):
    assert airflow.get("/api/v1/versions", headers=viewer).status_code == 200
    songs = airflow.post("/api/v1/recommend_songs", json=[{"track_name": "x"}], headers=viewer)
    assert songs.status_code in (200, 404), "404: nothing was published yet"


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/api/v1/events"), ("PUT", "/api/v1/simulation")]
)
def test_a_viewer_may_not_act(airflow, viewer, method, path):
    assert airflow.request(method, path, json=[{}], headers=viewer).status_code == 403


@pytest.mark.parametrize("role", ["user", "op", "admin"])
def test_who_may_change_the_dag_may_act(airflow, stack, admin, role):
    """What they sent is looked at, and found wrong."""
    operator = sign(stack, admin, sub="otto", role=role)
    assert airflow.post("/api/v1/events", json=[{}], headers=operator).status_code == 422


def test_another_sites_page_may_not_act(airflow, admin):
    cookie = f"_token={admin['Authorization'].removeprefix('Bearer ')}"
    headers = {"Cookie": cookie, "Origin": "https://elsewhere.example"}
    answer = airflow.post("/api/v1/events", json=[{}], headers=headers)
    assert (answer.status_code, "elsewhere.example" in answer.text) == (403, True)


def test_listeners_are_not_simulated_here(airflow, admin):
    order = {"running": True, "listeners": 1, "rate": 1}
    refused = airflow.put("/api/v1/simulation", json=order, headers=admin)
    assert (refused.status_code, "./nocturne" in refused.json()["detail"]) == (403, True)
    assert airflow.get("/api/v1/simulation", headers=admin).json()["running"] is False


def test_airflow_is_reached_by_any_name(airflow, viewer):
    named = {**viewer, "Host": "airflow.example"}
    assert airflow.get("/api/v1/versions", headers=named).status_code == 200


# What Airflow knows of it


def test_airflow_lists_the_plugin_and_its_views(api):
    plugins = {plugin["name"]: plugin for plugin in api.call("GET", "plugins")["plugins"]}
    views = plugins["nocturne"]["external_views"]
    assert {(view["name"], view["destination"]) for view in views} == {
        ("Nocturne", "nav"),
        ("Recommendations", "dag"),
        ("Recommendations", "dag_run"),
    }
    assert api.call("GET", "plugins/importErrors")["import_errors"] == []


def test_the_icon_is_there(airflow, api):
    plugins = {plugin["name"]: plugin for plugin in api.call("GET", "plugins")["plugins"]}
    (icon,) = {view["icon"] for view in plugins["nocturne"]["external_views"]}
    answer = airflow.get(icon.removeprefix("/nocturne"))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/svg+xml")


# The tabs


def read(airflow, path, headers) -> str:
    answer = airflow.get(path, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.text


def test_the_tab_of_the_dag_lists_its_versions(airflow, viewer, made):
    page = read(airflow, f"/dags/{NIGHTLY}", viewer)
    assert f'href="/nocturne/models/{made}"' in page
    assert "scheduled__2026-01-02T02%3A00%3A00%2B00%3A00" in page


@pytest.mark.parametrize("path", ["", "/runs/manual__1"])
def test_the_tab_of_another_dag_says_where_to_look(airflow, viewer, path):
    page = read(airflow, f"/dags/catalogue_export{path}", viewer)
    assert "catalogue_export" in page
    assert f'href="/nocturne/dags/{NIGHTLY}"' in page


def test_the_tab_of_a_run_shows_version_gates_figures_and_report(airflow, viewer, made):
    quoted = "scheduled__2026-01-02T02%3A00%3A00%2B00%3A00"
    page = read(airflow, f"/dags/{NIGHTLY}/runs/{quoted}", viewer)
    for shown in (made, "refused", "enough to show", "the knee of the distortion", "0.25", "0.5"):
        assert shown in page
    assert page.index("enough to show") < page.index("rows_kept"), "refusals first"
    assert page.index('<th scope="row">nocturne') < page.index('<th scope="row">popularity')
    assert f'href="/nocturne/reports/{made}.html"' in page


def test_a_run_that_found_a_version_shows_it(airflow, viewer, made):
    page = read(airflow, f"/dags/{NIGHTLY}/runs/{LATER_RUN}", viewer)
    assert made in page
    assert RUN in page, "the run that made it"


def test_a_run_without_a_version_says_so(airflow, viewer):
    assert "no version" in read(airflow, f"/dags/{NIGHTLY}/runs/manual__unheard-of", viewer)


def test_a_report_may_draw_and_load_nothing_from_elsewhere(airflow, viewer, made):
    answer = airflow.get(f"/reports/{made}.html", headers=viewer)
    assert answer.text == "<script>draw()</script> the report"
    policy = answer.headers.get_list("content-security-policy")
    assert len(policy) == 1
    assert "script-src 'self' 'unsafe-inline'" in policy[0]
    assert "default-src 'none'" in policy[0]
    page = airflow.get(f"/dags/{NIGHTLY}", headers=viewer)
    assert "unsafe-inline" not in page.headers["content-security-policy"].split("style-src")[0]


@pytest.mark.parametrize(
    "path",
    ["2026-01-03.000000000000.html", "..%2Fstack%2Fpasswords.json", "passwords.json", "..html"],
)
def test_nothing_but_reports_is_served(airflow, viewer, made, path):
    assert airflow.get(f"/reports/{path}", headers=viewer).status_code == 404


# What goes on and on


@pytest.fixture
def published(stack: Settings) -> Iterator[None]:
    """Something live; taken away again if the stack had nothing."""
    with connect_catalogue(stack) as catalogue:
        database = catalogue.database
        if live_version(database) is not None:
            yield
            return
        assert database["tracks"].estimated_document_count() == 0
        publish_library(database)
        yield
        for name in ("tracks", "models", "live", *TABLES):
            database.drop_collection(name)


def test_lists_are_streamed(airflow, viewer, published):
    path = "/api/v1/listeners/somebody-new/stream"
    with airflow.stream("GET", path, headers=viewer) as answer:
        assert answer.status_code == 200
        data = next(line for line in answer.iter_lines() if line.startswith("data: "))
    shown = json.loads(data.removeprefix("data: "))
    assert shown["user_id"] == "somebody-new"
    assert shown["tracks"]
