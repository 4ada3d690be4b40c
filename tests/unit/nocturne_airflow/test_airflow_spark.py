import json
import os
import stat
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import AirflowException

from nocturne.errors import BadInput
from nocturne.job_exit import BAD_INPUT_EXIT
from nocturne.settings import PROJECT, Settings
from nocturne.stack.airflow import connections, lineage_options
from nocturne_airflow.spark import SparkJob, describe_transport, read_settings

URI = "mongodb://nocturne:correct-horse@mongo:27017/?authSource=admin"
SUBMIT = """#!/bin/sh
printf '%s\\n' "$@" >"$SEEN/arguments"
env >"$SEEN/environment"
echo "last words"
exit $SUBMIT_EXIT
"""


class Submitted:
    """What a stand-in for spark-submit was given."""

    def __init__(self, folder) -> None:
        self.folder = folder

    @property
    def arguments(self) -> list[str]:
        return (self.folder / "arguments").read_text("utf-8").splitlines()

    @property
    def environment(self) -> dict[str, str]:
        lines = (self.folder / "environment").read_text("utf-8").splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)


@pytest.fixture
def connect(monkeypatch, settings_of_nobody):
    """Connections as the stack gives them, for some Spark."""

    def give(master: str, **extra: str) -> None:
        settings = Settings(mongo_uri=URI, kafka_bootstrap="kafka:9092", spark_master=master)
        for name, value in connections(settings).items():
            monkeypatch.setenv(name, value)
        spark = {"conn_type": "spark", "host": master, "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_SPARK_DEFAULT", json.dumps(spark))

    give("local[2]")
    return give


@pytest.fixture
def submitted(tmp_path, monkeypatch) -> Submitted:
    """A spark-submit on the PATH that notes what it is given and ends with SUBMIT_EXIT."""
    script = tmp_path / "bin" / "spark-submit"
    script.parent.mkdir()
    script.write_text(SUBMIT, encoding="utf-8")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{script.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("SEEN", str(tmp_path))
    monkeypatch.setenv("SUBMIT_EXIT", "0")
    return Submitted(tmp_path)


@pytest.fixture
def make_job() -> Iterator[Callable[[], SparkJob]]:
    """Jobs whose pipes are closed behind them, which Airflow leaves to the end of its process."""
    made = []

    def make() -> SparkJob:
        made.append(SparkJob(task_id="train_clusters", arguments=["--target", "a b"]))
        return made[-1]

    yield make
    for job in made:
        if job._hook and job._hook._submit_sp:
            job._hook._submit_sp.stdout.close()


@pytest.fixture
def context() -> dict:
    run = SimpleNamespace(
        conf={}, logical_date=None, run_after=datetime(2026, 11, 19, 2, tzinfo=UTC), clear_number=0
    )
    task_instance = SimpleNamespace(
        dag_id="nightly", task_id="train", try_number=1, map_index=-1, dag_run=run,
        get_template_context=dict,
    )  # fmt: skip
    return {"ti": task_instance}


def test_a_job_is_submitted_with_its_arguments(connect, submitted, make_job, context):
    make_job().execute(context)
    script = str(PROJECT / "spark_jobs/train_clusters.py")
    assert submitted.arguments[:2] == ["--master", "local[2]"]
    assert submitted.arguments[-3:] == [script, "--target", "a b"]


def test_a_job_that_needs_no_driver_starts_none(
    connect, submitted, make_job, context, tmp_path, monkeypatch
):
    (tmp_path / "a b").mkdir()
    monkeypatch.chdir(tmp_path)
    make_job().execute(context)
    assert not (submitted.folder / "arguments").exists()


@pytest.mark.parametrize("master", ["local[4]", "spark://host:7077", "yarn"])
def test_the_connection_says_where_jobs_run(connect, master):
    connect(master)
    assert read_settings().spark_master == master


def test_a_job_knows_its_parent(connect, submitted, make_job, context):
    make_job().execute(context)
    assert "spark.openlineage.parentJobName=nightly.train" in submitted.arguments


def test_settings_are_read_when_the_task_runs(
    connect, submitted, make_job, context, monkeypatch, tmp_path
):
    job = make_job()
    monkeypatch.setenv("NOCTURNE_SPARK_DRIVER_MEMORY", "7g")
    monkeypatch.setenv("NOCTURNE_RUNTIME", str(tmp_path / "runtime"))
    job.execute(context)
    arguments = submitted.arguments
    assert arguments[arguments.index("--driver-memory") + 1] == "7g"
    jars = arguments[arguments.index("--jars") + 1].split(",")
    assert all(jar.startswith(str(tmp_path / "runtime" / "spark")) for jar in jars)


@pytest.mark.parametrize("master", ["local[2]", "spark://host:7077", "yarn"])
def test_no_password_stands_on_the_command_line(connect, submitted, make_job, context, master):
    connect(master)
    make_job().execute(context)
    assert submitted.arguments[1] == master
    assert submitted.environment["NOCTURNE_MONGO_URI"] == URI
    assert submitted.environment["NOCTURNE_KAFKA_BOOTSTRAP"] == "kafka:9092"
    assert not [word for word in submitted.arguments if "correct-horse" in word]


@pytest.mark.parametrize("master", ["spark://host:7077", "yarn"])
def test_a_driver_elsewhere_is_refused(connect, submitted, make_job, context, master):
    connect(master, **{"deploy-mode": "cluster"})
    with pytest.raises(BadInput, match="deploy-mode"):
        make_job().execute(context)


def test_bad_input_of_the_job_is_bad_input_of_the_task(
    connect, submitted, make_job, context, monkeypatch
):
    monkeypatch.setenv("SUBMIT_EXIT", str(BAD_INPUT_EXIT))
    with pytest.raises(BadInput, match="train"):
        make_job().execute(context)


@pytest.mark.parametrize("code", [1, 6, 137, 143])
def test_other_failures_stay_failures_that_are_retried(
    connect, submitted, make_job, context, monkeypatch, code
):
    monkeypatch.setenv("SUBMIT_EXIT", str(code))
    with pytest.raises(AirflowException, match=rf"Error code is: {code}\.") as raised:
        make_job().execute(context)
    assert "last words" in str(raised.value)


def test_lineage_goes_to_the_server_of_the_settings() -> None:
    settings = Settings(lineage_url="http://marquez:5000")
    assert describe_transport(settings) == {
        "spark.openlineage.transport.type": "http",
        "spark.openlineage.transport.url": "http://marquez:5000",
    }
    transport = json.loads(lineage_options(settings)["AIRFLOW__OPENLINEAGE__TRANSPORT"])
    assert transport == {"type": "http", "url": "http://marquez:5000"}
