"""Which tasks lead to a version, as Airflow keeps it with the DAG."""

import pytest

pytestmark = pytest.mark.dags

OF_A_VERSION = {
    "plan_candidate",
    "train_clusters",
    "train_taste",
    "build_tables",
    "check_candidate",
    "approve_candidate",
    "publish_version",
}


def find_links(dag: dict) -> dict[str, set[str]]:
    tasks = [task["__var"] for task in dag["serialized"]["dag"]["tasks"]]
    links = {task["task_id"]: set(task.get("_operator_extra_links", {})) for task in tasks}
    return {task_id: names for task_id, names in links.items() if names}


def test_tasks_of_a_version_link_to_it(parsed):
    links = find_links(parsed["dags"]["nightly_recommendations"])
    assert set(links) == OF_A_VERSION
    assert links.pop("check_candidate") == {"Version", "Report"}
    assert all(names == {"Version"} for names in links.values())


@pytest.mark.parametrize("dag_id", ["catalogue_export", "listening_activity"])
def test_other_dags_have_no_links(parsed, dag_id):
    assert find_links(parsed["dags"][dag_id]) == {}
