"""The whole suite in shards, tried on a small suite that has this project's conftest.py."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from nocturne.settings import PROJECT
from nocturne.suite.shards import SHARDS, Shard
from nocturne.suite.whole import conclude, is_whole

# As ./nocturne test; what set-up fetches and compiles is not needed by these tests.
RUN = """
import sys
from nocturne.suite import whole
whole.set_up = print
sys.exit(whole.run_suite(sys.argv[1:]))
"""
QUICK = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": "-p pytest_timeout"}
"""Plugins that these tests do not need take longer to import than they take."""
OWN_STACK = """
import os, subprocess, sys, time
from pathlib import Path
import pytest

@pytest.fixture
def stack():
    return None
"""
NIGHTLY = "def test_a_night(stack):\n    pass\n"
AIRFLOW = "def test_airflow(stack):\n    pass\n"
REST = """
def test_home(home, request):
    assert home == request.config.getoption("--shard-folder") / "rest"
    assert os.environ["NOCTURNE_HOME"] == str(home)

def test_nothing_of_the_users_leaks():
    assert "NOCTURNE_K_MAX" not in os.environ

def test_skipped():
    pytest.skip("there is a reason")
"""


@pytest.fixture
def project(tmp_path) -> Path:
    """A project with four modules of tests, one for each shard."""
    for folder in ("tests/integration", "tests/browser", "tests/unit"):
        (tmp_path / folder).mkdir(parents=True)
    shutil.copy(PROJECT / "tests/conftest.py", tmp_path / "tests")
    shutil.copy(PROJECT / "pyproject.toml", tmp_path)
    write(tmp_path, "integration/test_nightly", NIGHTLY)
    write(tmp_path, "browser/test_airflow", AIRFLOW)
    write(tmp_path, "integration/test_rest", REST)
    write(tmp_path, "unit/test_unit", "def test_unit():\n    pass\n")
    return tmp_path


def write(project: Path, name: str, tests: str) -> None:
    (project / f"tests/{name}.py").write_text(OWN_STACK + tests, encoding="utf-8")


def start(project: Path, *arguments: str) -> subprocess.Popen[str]:
    scratch = project / "scratch"
    scratch.mkdir()
    return subprocess.Popen(
        [sys.executable, "-c", RUN, *arguments],
        cwd=project,
        env={**os.environ, **QUICK, "NOCTURNE_K_MAX": "many", "TMPDIR": str(scratch)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run(project: Path, *arguments: str) -> tuple[int, list[str]]:
    with start(project, *arguments) as process:
        printed, _ = process.communicate(timeout=240)
    assert not list((project / "scratch").glob("nocturne-*")), "a shard has left its home"
    return process.returncode, printed.splitlines()


def find_totals(lines: list[str]) -> list[str]:
    return [line for line in lines if re.fullmatch(r"\d+ passed, \d+ failed, \d+ skipped", line)]


def test_every_test_runs_once_and_one_line_says_what_came_of_them(project):
    """Six pass, one fails, one has an error, one is skipped, and a whole shard dies."""
    write(project, "integration/test_nightly", "def test_a_night(stack):\n    os._exit(0)\n")
    write(project, "browser/test_airflow", AIRFLOW + "def test_false(stack):\n    assert not 'x'\n")
    # These use Airflow where the shards that wait do not look for it: they are not lost.
    write(project, "unit/test_elsewhere", "def test_elsewhere(stack):\n    pass\n")
    write(project, "integration/conftest", "@pytest.fixture\ndef indirect(stack):\n    pass\n")
    indirect = "def test_indirect(indirect):\n    pass\n"
    (project / "tests/integration/test_indirect.py").write_text(indirect, encoding="utf-8")
    write(project, "unit/test_error", "def test_error(no_such_fixture):\n    pass\n")
    code, lines = run(project, "--tb=short")
    printed = "\n".join(lines)
    assert (code, lines[-1]) == (1, "6 passed, 3 failed, 1 skipped"), printed
    assert find_totals(lines) == lines[-1:]
    assert "nightly did not say what it ran; its exit code is 0" in lines
    assert all(re.search(rf"{shard} +│ tests/", printed) for shard in SHARDS), "no progress"
    assert len(re.findall("slowest 30 durations", printed)) == 3
    kept = json.loads((project / ".pytest_cache/v/cache/lastfailed").read_text("utf-8"))
    assert set(kept) == {
        "tests/browser/test_airflow.py::test_false",
        "tests/unit/test_error.py::test_error",
    }
    for told in ("there is a reason", "assert not 'x'", "fixture 'no_such_fixture' not found"):
        assert told in printed


STUCK = """
@pytest.fixture
def servers(home):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    Path("child").write_text(str(child.pid))
    yield
    child.kill()
    child.wait()
    Path("taken_down").touch()

def test_that_waits(servers):
    Path("waiting").touch()
    time.sleep(600)
"""
STUBBORN = """
import signal

def test_that_does_not_end(home):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    Path("child").write_text(str(child.pid))
    Path("waiting").touch()
    time.sleep(600)
"""


def wait_until(condition: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_signal_ends_all_shards_and_takes_their_fixtures_down(project):
    write(project, "integration/test_rest", STUCK)
    with start(project) as process:
        wait_until((project / "waiting").exists)
        process.terminate()
        printed, _ = process.communicate(timeout=120)
    assert process.returncode == 128 + signal.SIGTERM, printed
    assert len(find_totals(printed.splitlines())) == 1
    assert (project / "taken_down").exists()
    assert not psutil.pid_exists(int((project / "child").read_text()))
    assert not list((project / "scratch").glob("nocturne-suite-*"))


def test_a_shard_that_does_not_end_is_killed_with_what_it_started(project, monkeypatch, tmp_path):
    write(project, "integration/test_rest", STUBBORN)
    monkeypatch.chdir(project)
    for name, value in QUICK.items():
        monkeypatch.setenv(name, value)
    shard = Shard("rest", tmp_path / "shards")
    shard.prepare(set())
    shard.start([], 100)
    wait_until((project / "waiting").exists)
    shard.interrupt()
    shard.end_by(time.monotonic() + 1)
    shard.finish()
    child = int((project / "child").read_text())
    wait_until(lambda: not psutil.pid_exists(child), 10)
    assert shard.exit_code() == 128 + signal.SIGKILL


def test_shards_have_ports_of_their_own(tmp_path):
    taken: set[int] = set()
    shards = [Shard(name, tmp_path) for name in SHARDS]
    for shard in shards:
        shard.prepare(taken)
    ports = [json.loads((shard.home / "stack/ports.json").read_text()) for shard in shards]
    assert len(taken) == sum(map(len, ports)) == 4 * len(SHARDS)


def test_the_worse_exit_code_counts(tmp_path, capsys):
    shards = [Shard(name, tmp_path) for name in SHARDS]
    for shard, code in zip(shards, (0, 2, 1, 0), strict=True):
        shard.process = subprocess.Popen([sys.executable, "-c", f"raise SystemExit({code})"])
        shard.process.wait()
        counts = {"passed": 2, "error": code, "xfailed": 1, "xpassed": 1, "warnings": 9}
        (tmp_path / f"{shard.name}.json").write_text(json.dumps(counts))
    assert conclude(shards) == 2
    assert capsys.readouterr().out.splitlines()[-1] == "12 passed, 3 failed, 4 skipped"


@pytest.mark.parametrize(
    ("arguments", "whole"),
    [
        ([], True),
        (["-q"], True),
        (["-vv", "--tb=short", "--durations=0", "--color=no"], True),
        (["tests/unit"], False),
        (["-k", "ingest"], False),
        (["-m", "not spark"], False),
        (["-x"], False),
        (["--lf"], False),
        (["--co"], False),
        (["--help"], False),
        (["--version"], False),
        (["-q", "tests"], False),
        (["-p", "no:cacheprovider"], False),
    ],
)
def test_what_chooses_tests_is_one_plain_run_of_pytest(arguments, whole):
    assert is_whole(arguments) == whole
