"""Links from tasks to their version."""

from types import SimpleNamespace

import pendulum
import pytest
from airflow.sdk import DAG, task
from airflow.sdk.execution_time.xcom import XCom

from nocturne_airflow.assets import REPORT
from nocturne_airflow.links import ReportLink, VersionLink, link_to_version

KEY = SimpleNamespace(dag_id="nightly_recommendations", run_id="scheduled__1")


@pytest.fixture
def planned(monkeypatch):
    """What plan_candidate of a run has answered, as Airflow gives it."""
    asked = []

    def answer(value):
        def get_one(**wanted):
            asked.append(wanted)
            return value

        monkeypatch.setattr(XCom, "get_one", get_one)
        return asked

    return answer


@pytest.fixture(params=["", "/airflow"])
def root(request, monkeypatch) -> str:
    """The path under which Airflow is reached."""
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", f"https://music.example{request.param}/")
    return request.param


def test_a_link_leads_to_the_version_within_airflow(planned, root):
    asked = planned({"version": "2026-11-20.0123456789ab"})
    page = f"{root}/plugin/nocturne{root}/nocturne"
    version = VersionLink().get_link(SimpleNamespace(), ti_key=KEY)
    assert version == f"{page}/models/2026-11-20.0123456789ab"
    report = ReportLink().get_link(SimpleNamespace(), ti_key=KEY)
    assert report == f"{page}/reports/2026-11-20.0123456789ab.html"
    of_run = {"dag_id": KEY.dag_id, "run_id": KEY.run_id, "task_id": "plan_candidate"}
    assert asked == [{"key": "return_value", **of_run}] * 2


def test_there_is_no_link_before_the_version_has_a_name(planned):
    planned(None)
    assert VersionLink().get_link(SimpleNamespace(), ti_key=KEY) == ""
    assert ReportLink().get_link(SimpleNamespace(), ti_key=KEY) == ""


def test_the_task_that_plans_and_all_that_follow_it_have_links():
    with DAG("trial", schedule=None, start_date=pendulum.datetime(2026, 1, 1)) as dag:

        @task
        def land():
            pass

        @task
        def plan():
            pass

        @task(outlets=[REPORT])
        def check():
            pass

        @task
        def publish():
            pass

        planned = plan()
        land() >> planned >> check() >> publish()
        link_to_version(planned)

    links = {one.task_id: [link.name for link in one.operator_extra_links] for one in dag.tasks}
    assert links == {
        "land": [],
        "plan": ["Version"],
        "check": ["Version", "Report"],
        "publish": ["Version"],
    }
