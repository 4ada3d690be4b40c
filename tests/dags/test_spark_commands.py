"""The spark-submit command of each Spark job.

In the stored commands XComs stand as {task.key}, the checkout as {project}, the folder of
temporary files as {temporary}.
"""

import importlib
import re
import tempfile
from itertools import pairwise
from urllib.parse import urlsplit

import pytest

from nocturne.settings import PROJECT

pytestmark = pytest.mark.dags

JOBS = ["export_catalogue", "extract_features", "train_clusters", "train_taste"]


@pytest.fixture(params=JOBS)
def job(request) -> str:
    return request.param


@pytest.fixture
def command(parsed, job) -> list[str]:
    return parsed["jobs"][job]["line"]


def write_out(command: list[str]) -> str:
    """One option or argument a line, an option's value beside it, one jar a line."""
    text = command[0]
    for before, word in pairwise(command):
        is_value = before.startswith("--") and not word.startswith("--")
        text += (" " if is_value else "\n  ") + word
    text = text.replace(str(PROJECT), "{project}").replace(",", ",\n    ")
    return text.replace(f"=file://{tempfile.gettempdir()}\n", "=file://{temporary}\n") + "\n"


def test_the_command_equals_the_stored_one(command, job, equals_golden):
    equals_golden(f"{job}.txt", write_out(command))


def test_every_job_is_known(parsed):
    assert sorted(parsed["jobs"]) == JOBS


def test_the_job_understands_the_command(command, job):
    """With a number in the place of each XCom."""
    script = command.index(f"{PROJECT}/spark_jobs/{job}.py")
    words = [re.sub(r"\{[\w.]+\}", "1", word) for word in command[script + 1 :]]
    assert importlib.import_module(f"spark_jobs.{job}").parse_arguments(words)


def test_the_driver_is_told_the_addresses_but_not_on_the_command_line(parsed, job, addresses):
    environment = parsed["jobs"][job]["environment"]
    assert environment == {f"NOCTURNE_{name.upper()}": value for name, value in addresses.items()}
    password = urlsplit(addresses["mongo_uri"]).password
    assert password not in " ".join(parsed["jobs"][job]["line"])
