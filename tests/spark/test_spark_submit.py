"""A job that is submitted without Airflow: what it says, and what it leaves."""

import os
import subprocess
from dataclasses import replace

import pytest

from nocturne.errors import NocturneError
from nocturne.settings import load_settings
from nocturne.stack.setup import set_up
from nocturne.stack.spark import run_spark, submit

pytestmark = pytest.mark.spark

JOB = """
import sys
from pyspark.sql import SparkSession
spark = SparkSession.builder.appName("talks").getOrCreate()
spark.range(8).createOrReplaceTempView("numbers")
print("sum", spark.sql("SELECT sum(id) AS sum FROM numbers").first().sum)
spark.catalog.listTables()
if "fail" in sys.argv:
    wrong = spark.range(1).selectExpr("assert_true(id > 0, 'this row is wrong')")
    wrong.collect()
"""


@pytest.fixture
def job(tmp_path, monkeypatch, home):
    """A job that uses the SQL catalogue, started in an empty folder."""
    set_up(load_settings(), print)
    (tmp_path / "job.py").write_text(JOB)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    def command(*words: str):
        made = submit(load_settings(), "talks", {})
        return replace(made, command=[*made.command[:-1], str(tmp_path / "job.py"), *words])

    return command


def test_a_job_logs_warnings_only_and_leaves_nothing_where_it_stands(job, tmp_path):
    made = job()
    environment = {**os.environ, **made.environment}
    done = subprocess.run(made.command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "sum 28"
    assert " INFO " not in done.stderr
    assert len(done.stderr) < 5_000
    assert list((tmp_path / "here").iterdir()) == []


def test_a_job_that_fails_shows_its_error_and_where(job):
    with pytest.raises(NocturneError, match="this row is wrong") as failed:
        run_spark(job("fail"))
    assert "at org.apache.spark" in str(failed.value)
