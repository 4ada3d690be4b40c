"""What each command loads before it answers: commands are quick because they load little.

A clock would say so on a quiet machine only.
"""

import json
import os
import subprocess
import sys

import pytest

from nocturne.cli import app

HEAVY = {
    *("airflow", "pyspark"),
    *("numpy", "pandas", "pandera", "pyarrow", "scipy", "sklearn", "faiss", "plotly", "matplotlib"),
    *("librosa", "numba", "soundfile", "soxr", "av"),
    *("fastapi", "starlette", "uvicorn", "jinja2", "httpx", "requests"),
    *("pymongo", "bson", "cryptography", "confluent_kafka"),
    *("rapidfuzz", "tenacity", "supervisor", "pytest"),
}
SETTINGS = {"pydantic_settings"}
SLOW_FOR_HELP = SETTINGS | {"asyncio", "psutil", "xmlrpc"}
ANSWERS = {
    "setup": None,  # its work is fetching
    "up": None,  # its work is starting servers
    "test": None,  # becomes pytest
    "down": [],
    "status": [],
    "logs": [],
    "run": ["--audio", "/music"],
    "backfill": ["2026-11-02", "2026-11-01"],
    "recommend": ["--song", "Food"],
    "versions": [],
    "rollback": [],
    "live-at": ["2026-11-19T08:00:00Z"],
    "features": ["a.ogg", "--format", "parquet"],
    "serve": [],
    "live": [],
    "simulate": [],
    "tokens": [],
    "topics": [],
    "ingest": ["user_activity"],
    "dead-letters": ["user_activity"],
    "evaluate": ["no-such-file.csv"],
    "bench": ["dancing"],
}
"""What each answers where no server ever was: at once, whatever it says."""
COMMANDS = sorted(
    command.name or command.callback.__name__
    for group in app.registered_groups
    for command in group.typer_instance.registered_commands
)
TELL = """
import json, sys
from nocturne.cli import main, start
told, before = {}, set()
for words in json.loads(sys.argv[1]):
    try:
        main(lambda: start(words))
    except SystemExit:
        loaded = {name.partition(".")[0] for name in sys.modules}
        told[" ".join(words)], before = sorted(loaded - before), loaded
print(json.dumps(told), file=sys.__stderr__)
"""


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    """The top-level modules that each of several commands loads, one after the other."""

    def run(*commands: list[str]) -> dict[str, set[str]]:
        folder = tmp_path_factory.mktemp("nowhere")
        done = subprocess.run(
            [sys.executable, "-P", "-c", TELL, json.dumps(commands)],
            env={**os.environ, "NOCTURNE_HOME": str(folder / "home")},
            capture_output=True,
            text=True,
            check=True,
            cwd=folder,
        )
        told = json.loads(done.stderr.splitlines()[-1])
        assert len(told) == len(commands), done.stderr
        return {command: set(modules) for command, modules in told.items()}

    return run


def forbid(told: dict[str, set[str]], modules: set[str]) -> None:
    assert "typer" in set().union(*told.values())
    assert {command: found for command, names in told.items() if (found := names & modules)} == {}


def test_every_command_has_an_answer_here():
    assert set(ANSWERS) == set(COMMANDS)


def test_help_loads_nothing_but_what_shows_it(loaded):
    help_of_each = [[name, "--help"] for name in COMMANDS]
    forbid(loaded([], ["--help"], ["dance"], *help_of_each), HEAVY | SLOW_FOR_HELP)


def test_without_servers_a_command_answers_without_their_clients(loaded):
    answers = [[name, *words] for name, words in ANSWERS.items() if words is not None]
    forbid(loaded(*answers), HEAVY)


def test_misuse_is_told_before_the_settings_are_read(loaded):
    forbid(loaded(["recommend"], ["tokens", "--revoke"], ["run", "--audio", "/"]), SETTINGS)
