"""What Airflow finds in dags/, described by processes of their own."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from nocturne.settings import PROJECT, Settings
from nocturne.stack.airflow import connections

DESCRIBE = Path(__file__).with_name("describe_dags.py")
GOLDEN = Path(__file__).with_name("golden")
seconds: dict[str, float] = {}


class Parses(NamedTuple):
    """What two processes found in the same folder."""

    first: dict[str, Any]
    second: dict[str, Any]


def start_describing(home: Path, *options: str, **variables: str) -> subprocess.Popen:
    """Describe dags/ in a process that knows nothing of this one's environment."""
    home.mkdir()
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(PROJECT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(home / "plugins"),
        **variables,
    }
    return subprocess.Popen(
        [sys.executable, DESCRIBE, PROJECT / "dags", *options],
        env=environment,
        cwd=home,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def read_description(process: subprocess.Popen) -> dict[str, Any]:
    printed, complaints = process.communicate(timeout=120)
    assert process.returncode == 0, printed + complaints
    return json.loads(printed.splitlines()[-1])


@pytest.fixture(scope="session")
def addresses() -> dict[str, str]:
    """Settings of servers that nobody asks."""
    return {
        "mongo_uri": "mongodb://nocturne:correct-horse@mongo:27017/?authSource=admin&replicaSet=n",
        "kafka_bootstrap": "kafka:9092",
    }


@pytest.fixture(scope="session")
def parses(tmp_path_factory, addresses) -> Parses:
    """Two parses that differ in all that a DAG must not depend on; the first renders the jobs."""
    home = tmp_path_factory.mktemp("parse")
    connected = connections(Settings(**addresses))
    places = {"NOCTURNE_HOME": "/nocturne-home", "NOCTURNE_RUNTIME": "/nocturne-runtime"}
    bad = {"NOCTURNE_SAMPLE_RATE": "garbage", "NOCTURNE_HOME": "", "NOCTURNE_K_MIN": "-1"}
    first = start_describing(home / "1", "--render", PYTHONHASHSEED="1", **connected, **places)
    second = start_describing(home / "2", PYTHONHASHSEED="2", **bad)
    found = Parses(read_description(first), read_description(second))
    seconds.update({name: found.first[name] for name in ("import_seconds", "parse_seconds")})
    return found


@pytest.fixture(scope="session")
def parsed(parses) -> dict[str, Any]:
    return parses.first


@pytest.fixture
def equals_golden(tmp_path) -> Callable[[str, str], None]:
    """Compare a text with a stored one."""

    def compare(name: str, text: str) -> None:
        stored = GOLDEN / name
        if not stored.is_file() or stored.read_text("utf-8") != text:
            found = tmp_path / name
            found.write_text(text, encoding="utf-8")
            assert text == (stored.read_text("utf-8") if stored.is_file() else None), (
                f"{name} has changed. If that is meant: cp {found} {stored}"
            )

    return compare


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if seconds:
        terminalreporter.write_line(
            f"DAGs: parsed in {seconds['parse_seconds']:.2f} s"
            f" after {seconds['import_seconds']:.2f} s of importing Airflow"
        )
