"""What the DAGs are: their order, schedule, parameters, retries, assets and manuals."""

import pytest

from nocturne.nights import LISTENING_CRON, NIGHTLY_CRON
from nocturne.settings import LONGEST_HOURS

pytestmark = pytest.mark.dags

UPSTREAM = {
    "nightly_recommendations": {
        "land_library": [],
        "load_listens": ["land_library"],
        "extract_features": ["land_library"],
        "publish_features": ["extract_features"],
        "load_tracks": ["publish_features"],
        "plan_candidate": ["load_listens", "load_tracks"],
        "train_clusters": ["plan_candidate"],
        "train_taste": ["plan_candidate"],
        "build_tables": ["train_clusters", "train_taste"],
        "check_candidate": ["build_tables"],
        "approve_candidate": ["check_candidate"],
        "publish_version": ["approve_candidate"],
    },
    "catalogue_export": {
        "choose_collection": [],
        "export_catalogue": ["choose_collection"],
        "verify_export": ["export_catalogue"],
    },
    "listening_activity": {"publish_activity": [], "load_listens": ["publish_activity"]},
}
OF_OTHERS = {
    "nightly_recommendations": {"file://nocturne/library"},
    "catalogue_export": {"mongodb://mongo:27017/nocturne/tracks"},
    "listening_activity": set(),
}
"""What a DAG reads and does not write."""


@pytest.fixture(params=sorted(UPSTREAM))
def dag_id(request) -> str:
    return request.param


@pytest.fixture
def dag(parsed, dag_id) -> dict:
    return parsed["dags"][dag_id]


def test_tasks_wait_for_what_they_need(dag, dag_id):
    assert {task["task_id"]: task["upstream"] for task in dag["tasks"]} == UPSTREAM[dag_id]


def test_the_manual_names_every_task(dag):
    manual = dag["doc"].split("**When it is red**")
    assert manual[0].startswith("# ")
    for task in dag["tasks"]:
        assert task["task_id"] in manual[1]


def test_transport_errors_are_retried_with_growing_pauses(dag):
    for task in dag["tasks"]:
        assert task["retries"] >= 2
        assert task["backoff"] > 1
        assert 0 < task["first_pause"] < task["longest_pause"]
        assert task["timeout"] > 0


def test_bad_data_fails_at_once(dag):
    """What these rules do is tested with the policy itself."""
    for task in dag["tasks"]:
        (rule,) = task["policy"]["rules"]
        assert rule["action"] == "fail"
        assert rule["match_subclasses"]
        assert set(rule["exception"]) == {"nocturne.errors.BadInput", "pydantic.ValidationError"}
        assert task["policy"]["default"] == "default"


def test_spark_jobs_share_a_pool_and_mongo_writers_another(dag, parsed):
    for task in dag["tasks"]:
        is_job = task["task_id"] in parsed["jobs"]
        assert (task["pool"] == "spark") == is_job
        if any(uri.startswith("mongodb:") for uri in task["outlets"]):
            assert task["pool"] == "mongo"


def test_assets_of_each_task(dag, dag_id, equals_golden):
    lines = [
        " ".join([f"{task['task_id']}:", *task["inlets"], "->", *task["outlets"]])
        for task in dag["tasks"]
    ]
    equals_golden(f"assets_of_{dag_id}.txt", "\n".join(lines) + "\n")


def test_a_task_reads_only_what_was_written_before_it(dag, dag_id):
    written = set(OF_OTHERS[dag_id])
    for task in dag["tasks"]:
        assert set(task["inlets"]) <= written, task["task_id"]
        written |= set(task["outlets"])


def test_nights_begin_at_two_utc(parsed):
    serialized = parsed["dags"]["nightly_recommendations"]["serialized"]["dag"]["timetable"]
    assert serialized["__type"].endswith(".CronDataIntervalTimetable")
    assert serialized["__var"] == {"expression": "0 2 * * *", "timezone": "UTC"}
    assert NIGHTLY_CRON == "0 2 * * *"


def test_listens_are_loaded_every_ten_minutes(parsed):
    serialized = parsed["dags"]["listening_activity"]["serialized"]["dag"]["timetable"]
    assert serialized["__type"].endswith(".CronDataIntervalTimetable")
    assert serialized["__var"] == {"expression": "*/10 * * * *", "timezone": "UTC"}
    assert LISTENING_CRON == "*/10 * * * *"


@pytest.mark.parametrize("dag_id", ["listening_activity", "nightly_recommendations"])
def test_a_schedule_begins_when_somebody_wants_it(parsed, dag_id):
    assert parsed["dags"][dag_id]["serialized"]["dag"]["is_paused_upon_creation"] is True


def test_the_export_runs_by_hand(parsed):
    serialized = parsed["dags"]["catalogue_export"]["serialized"]["dag"]["timetable"]
    assert serialized["__type"].endswith(".NullTimetable")


def test_runs_do_not_overlap_and_past_nights_are_not_caught_up(dag):
    assert dag["max_active_runs"] == 1
    assert not dag["catchup"]
    assert dag["start_date"] == "2026-01-01T00:00:00+00:00"


def test_parameters_of_the_nightly_run(parsed):
    params = parsed["dags"]["nightly_recommendations"]["params"]
    assert {name: (param["value"], param["schema"]["type"]) for name, param in params.items()} == {
        "audio_folder": (None, ["null", "string"]),
        "metadata_folder": (None, ["null", "string"]),
        "date": (None, ["null", "string"]),
        "k_min": (None, ["null", "integer"]),
        "k_max": (None, ["null", "integer"]),
        "publish": (True, "boolean"),
        "replace_library": (False, "boolean"),
        "approve": (None, ["null", "boolean"]),
        "approve_hours": (None, ["null", "number"]),
    }
    assert params["date"]["schema"]["format"] == "date"
    hours = params["approve_hours"]["schema"]
    assert (hours["exclusiveMinimum"], hours["maximum"]) == (0, LONGEST_HOURS)
    assert params["k_min"]["schema"]["minimum"] == params["k_max"]["schema"]["minimum"] == 2
    assert all(param["schema"]["title"] for param in params.values())


def test_parameters_of_the_export(parsed):
    params = parsed["dags"]["catalogue_export"]["params"]
    assert {name: (param["value"], param["schema"]["type"]) for name, param in params.items()} == {
        "database": (None, ["null", "string"]),
        "collection": (None, ["null", "string"]),
    }


def test_parameters_of_the_listening_run(parsed):
    params = parsed["dags"]["listening_activity"]["params"]
    assert {name: (param["value"], param["schema"]["type"]) for name, param in params.items()} == {
        "activity_file": (None, ["null", "string"]),
        "window_start": (None, ["null", "string"]),
        "window_end": (None, ["null", "string"]),
    }
    for end in ("window_start", "window_end"):
        assert params[end]["schema"]["format"] == "date-time"
    assert all(param["schema"]["title"] for param in params.values())
