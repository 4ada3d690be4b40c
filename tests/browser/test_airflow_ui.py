"""Nocturne in Airflow's UI, as somebody who logs in there sees it."""

import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from nocturne.nightly import connect_catalogue
from nocturne.settings import Settings
from nocturne.stack.airflow import ADMIN
from nocturne.stack.airflow_runs import NIGHTLY
from nocturne.stack.passwords import read_passwords
from nocturne.stack.stack import connect_airflow

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

CHROMIUM = shutil.which("chromium")
ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
PATIENCE_MS = 60_000
VERSION = "2026-01-02.0123456789ab"
FIGURE = """
<!doctype html><title>report</title><script src="plotly.min.js"></script>
<div id="figure"></div>
<script>Plotly.newPlot("figure", [{y: [1, 2], type: "scatter"}])</script>
"""


@pytest.fixture(scope="module")
def airflow_browser(stack: Settings) -> Iterator[Any]:
    """A browser on Airflow's UI; a page of it waits long, for a slow machine."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("chromium is not installed")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        with connect_airflow(stack) as api:
            api.wait_for_dag(NIGHTLY)
        yield browser
        browser.close()


def open_airflow(browser: Any, stack: Settings) -> Any:
    context = browser.new_context(base_url=stack.airflow_url)
    context.set_default_timeout(PATIENCE_MS)
    return context.new_page()


@pytest.fixture
def stranger(airflow_browser: Any, stack: Settings) -> Iterator[Any]:
    page = open_airflow(airflow_browser, stack)
    yield page
    page.context.close()


@pytest.fixture(scope="module")
def operator(airflow_browser: Any, stack: Settings) -> Iterator[Any]:
    """A page that has logged in."""
    page = open_airflow(airflow_browser, stack)
    page.goto("/")
    log_in(page, stack)
    page.get_by_role("link", name="Nocturne", exact=True).wait_for()
    yield page
    page.context.close()


def log_in(page: Any, stack: Settings) -> None:
    passwords = read_passwords(stack.stack_dir)
    page.locator("input[name=username]").fill(ADMIN)
    page.locator("input[name=password]").fill(passwords.airflow_admin)
    page.get_by_role("button", name="Sign in").click()


@pytest.fixture
def reported(stack: Settings) -> Iterator[str]:
    """A version with a report that draws a figure as real ones do."""
    from plotly.offline import get_plotlyjs

    stack.reports_dir.mkdir(exist_ok=True)
    report, plotly = stack.reports_dir / f"{VERSION}.html", stack.reports_dir / "plotly.min.js"
    report.write_text(FIGURE, encoding="utf-8")
    plotly.write_text(get_plotlyjs(), encoding="utf-8")
    with connect_catalogue(stack) as catalogue:
        models = catalogue.database["models"]
        known = {"data_date": VERSION[:10], "run_id": "run-1", "inputs": {}}
        candidate = {**known, "state": "candidate"}
        models.replace_one({"_id": VERSION}, candidate, upsert=True)
        yield VERSION
        models.delete_one({"_id": VERSION})
    report.unlink()


def find_frame(page: Any, title: str) -> Any:
    return page.frame_locator(f"iframe[title={title}]")


def test_without_a_login_there_is_nothing_to_see(stranger: Any) -> None:
    assert stranger.goto("/nocturne/").status == 401
    assert stranger.goto("/nocturne/api/v1/versions").status == 401
    stranger.goto("/plugin/nocturne")
    stranger.wait_for_url("**/auth/login**")


def test_a_page_leads_to_the_login_and_back(stranger: Any, stack: Settings) -> None:
    assert stranger.goto("/nocturne/token").status == 401
    stranger.get_by_role("link", name="Log in", exact=True).click()
    log_in(stranger, stack)
    stranger.wait_for_url("**/nocturne/token")
    stranger.get_by_role("heading", level=1).wait_for()
    assert stranger.get_by_role("link", name="Log in", exact=True).count() == 0


def test_the_navigation_leads_to_nocturne(operator: Any, reported: str) -> None:
    operator.goto("/")
    operator.get_by_role("link", name="Nocturne", exact=True).click()
    frame = find_frame(operator, "Nocturne")
    frame.get_by_role("navigation", name="Pages").get_by_role("link", name="Models").click()
    frame.get_by_role("heading", name="Models", exact=True).wait_for()
    assert "/plugin/nocturne" in operator.url


def test_the_nightly_dag_has_a_tab(operator: Any, reported: str) -> None:
    operator.goto(f"/dags/{NIGHTLY}")
    operator.get_by_role("link", name="Recommendations", exact=True).click()
    frame = find_frame(operator, "Recommendations")
    frame.get_by_role("heading", name="Recommendations", exact=True).wait_for()
    frame.get_by_role("link", name=reported, exact=True).wait_for()


def test_a_link_of_a_task_opens_within_airflow(operator: Any, reported: str) -> None:
    """And the report's figures are drawn, in spite of what the pages forbid."""
    operator.goto(f"/plugin/nocturne/nocturne/reports/{reported}.html")
    find_frame(operator, "Nocturne").locator("#figure svg.main-svg").first.wait_for()
    operator.get_by_role("link", name="Nocturne", exact=True).wait_for()
