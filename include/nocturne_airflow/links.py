"""Links from the nightly run's tasks to the version that they make.

A link is made where a task has ended, and Airflow keeps it as the task's XCom. It leads to the
version's page within Airflow's own frame: behind the route of a view, Airflow's UI takes an
address of this server.
"""

from typing import Any
from urllib.parse import quote, urlsplit

from airflow.sdk import BaseOperator, BaseOperatorLink, XComArg
from airflow.sdk.configuration import conf
from airflow.sdk.types import TaskInstanceKey

from nocturne_airflow.assets import REPORT

PREFIX = "/nocturne"
VIEW = "nocturne"


def find_root() -> str:
    """The path under which Airflow is reached, empty unless its `base_url` has one."""
    return urlsplit(str(conf.get("api", "base_url", fallback=""))).path.rstrip("/")


class VersionLink(BaseOperatorLink):
    """To the page of the version that the run's `plan_candidate` named."""

    @property
    def name(self) -> str:
        return "Version"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Empty, which shows no link, if the version has no name yet."""
        version = find_version(ti_key)
        return place(f"/models/{quote(version)}") if version else ""


class ReportLink(BaseOperatorLink):
    """To the report of that version."""

    @property
    def name(self) -> str:
        return "Report"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        version = find_version(ti_key)
        return place(f"/reports/{quote(version)}.html") if version else ""


def find_version(ti_key: TaskInstanceKey) -> str | None:
    from airflow.sdk.execution_time.xcom import XCom

    planned: dict[str, Any] | None = XCom.get_one(
        key="return_value", dag_id=ti_key.dag_id, task_id="plan_candidate", run_id=ti_key.run_id
    )
    return str(planned["version"]) if planned else None


def place(page: str) -> str:
    root = find_root()
    return f"{root}/plugin/{VIEW}{root}{PREFIX}{page}"


def link_to_version(planned: XComArg) -> None:
    """Give the links to the task that plans a version and to all that follow it."""
    planning: Any = next(planned.iter_references())[0]
    for task in (planning, *planning.get_flat_relatives(upstream=False)):
        links = [VersionLink(), ReportLink()] if REPORT in task.outlets else [VersionLink()]
        task.operator_extra_links = (*task.operator_extra_links, *links)
