"""The launcher, on a copy of it where Python and uv only note how they are called."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import pytest

from nocturne.settings import PROJECT

TOOLS = ("bash", "cat", "cksum", "dirname", "env", "flock", "head", "mkdir", "readlink", "rm")
NOTE = 'printf "%s|" "{name}" "$@" >>"$NOTES"; echo >>"$NOTES"'
PYTHON = f"""#!/usr/bin/env bash
case "$1" in
-c) exit ${{BROKEN:-0}} ;;
--version) echo "Python 3.11.9" ;;
-m)
  {NOTE.format(name="python")}
  [[ "$2" == venv ]] && "$FAKE_UV" venv --python "$0" "$4"
  ;;
*) {NOTE.format(name="python")}; exit ${{EXIT:-0}} ;;
esac
"""
# `uv venv` makes what it would, as far as the launcher looks at it.
UV = f"""#!/usr/bin/env bash
[[ "$1" == --version ]] && exit
{NOTE.format(name="uv")}
if [[ "$1" == venv ]]; then
  venv="${{@: -1}}"
  rm -rf "$venv"
  mkdir -p "$venv/bin"
  cat "$FAKE_PYTHON" >"$venv/bin/python"
  cat "$FAKE_UV" >"$venv/bin/uv"
  printf '#!/bin/sh\\n' >"$venv/bin/pip"
  /bin/chmod +x "$venv/bin/"*
elif [[ "$2" == "$FAIL" ]]; then
  echo "no network" >&2
  exit 2
fi
"""


class Ended(NamedTuple):
    code: int
    out: str
    err: str
    calls: list[list[str]]


class Launcher:
    """A copy of what the launcher needs in a folder of its own, with a PATH of its own."""

    def __init__(self, folder: Path) -> None:
        self.project = folder / "my project"
        self.bin = folder / "bin"
        self.notes = folder / "notes"
        self.project.mkdir()
        self.bin.mkdir()
        for name in ("nocturne", "requirements.txt", "pyproject.toml"):
            shutil.copy2(PROJECT / name, self.project)
        for tool in filter(shutil.which, TOOLS):
            (self.bin / tool).symlink_to(shutil.which(tool))
        self.add_tool("python3.11", PYTHON)
        self.add_tool("uv", UV)
        self.venv = self.project / ".venv"

    def add_tool(self, name: str, script: str) -> Path:
        path = self.bin / name
        path.write_text(script)
        path.chmod(0o755)
        return path

    def environment(self, **variables: str) -> dict[str, str]:
        return {
            "PATH": str(self.bin),
            "NOTES": str(self.notes),
            "FAKE_PYTHON": str(self.bin / "python3.11"),
            "FAKE_UV": str(self.bin / "uv"),
            "FAIL": "nothing",
            **variables,
        }

    def start(self, *arguments: str, cwd: Path | None = None, **variables: str) -> Ended:
        self.notes.write_text("")
        done = subprocess.run(
            [self.project / "nocturne", *arguments],
            env=self.environment(**variables),
            cwd=cwd or self.project,
            capture_output=True,
            text=True,
            check=False,
        )
        calls = [line.split("|")[:-1] for line in self.notes.read_text().splitlines()]
        return Ended(done.returncode, done.stdout, done.stderr, calls)

    def change(self, name: str) -> None:
        with (self.project / name).open("a") as file:
            file.write("# changed\n")


@pytest.fixture
def launcher(tmp_path) -> Launcher:
    return Launcher(tmp_path)


def made(ended: Ended) -> list[str]:
    """What was done to the environment before the command line was started."""
    *preparations, handed_over = ended.calls
    assert handed_over[:4] == ["python", "-P", "-m", "nocturne.cli"]
    return [" ".join(call[1:3]) for call in preparations]


def test_the_launcher_is_executable_bash():
    assert os.access(PROJECT / "nocturne", os.X_OK)
    subprocess.run([shutil.which("bash"), "-n", PROJECT / "nocturne"], check=True)


def test_the_first_start_makes_the_environment_and_hands_over(launcher):
    first = launcher.start("status", "--json", "a b", "")
    assert first.code == 0
    assert first.out == ""
    project, python = launcher.project, launcher.venv / "bin/python"
    found, locked = [f"{launcher.bin}/python3.11"], [f"{project}/requirements.txt"]
    assert first.calls == [
        ["uv", "venv", "--quiet", "--clear", "--python", *found, str(launcher.venv)],
        ["uv", "pip", "sync", "--quiet", "--python", str(python), "--require-hashes", *locked],
        ["uv", "pip", "install", "--quiet", "--python", str(python), "--no-deps",
         "--no-build-isolation", "-e", str(project)],
        ["python", "-P", "-m", "nocturne.cli", "status", "--json", "a b", ""],
    ]  # fmt: skip
    assert "making .venv with Python 3.11.9" in first.err


def test_the_second_start_installs_nothing_and_says_nothing(launcher):
    launcher.start("status")
    second = launcher.start("status")
    assert made(second) == []
    assert (second.out, second.err) == ("", "")


def test_the_exit_code_is_that_of_the_command_line(launcher):
    launcher.start("status")
    assert launcher.start("status", EXIT="2").code == 2


@pytest.mark.parametrize("name", ["requirements.txt", "pyproject.toml"])
def test_a_change_of_what_it_is_made_of_is_installed_where_it_stands(launcher, name):
    launcher.start()
    broker = launcher.venv / "nocturne-runtime/kafka.jar"
    broker.parent.mkdir()
    broker.touch()
    launcher.change(name)
    changed = launcher.start()
    assert made(changed) == ["pip sync", "pip install"]
    assert "bringing .venv to the locked requirements" in changed.err
    assert broker.is_file(), "what set-up fetched stays, and what runs goes on"
    assert made(launcher.start()) == []


def test_an_environment_that_was_moved_is_made_anew(launcher):
    launcher.start()
    launcher.project = launcher.project.rename(launcher.project.with_name("moved"))
    assert made(launcher.start()) == ["venv --quiet", "pip sync", "pip install"]


def test_an_environment_whose_python_is_gone_is_made_anew(launcher):
    launcher.start()
    (launcher.venv / "bin/python").unlink()
    launcher.change("pyproject.toml")
    assert made(launcher.start()) == ["venv --quiet", "pip sync", "pip install"]


@pytest.mark.parametrize("step", ["sync", "install"])
def test_an_installation_that_failed_is_done_again_from_the_start(launcher, step):
    failed = launcher.start(FAIL=step)
    assert failed.code == 2
    assert "no network" in failed.err
    assert not any("nocturne.cli" in call for call in failed.calls)
    assert made(launcher.start()) == ["venv --quiet", "pip sync", "pip install"]


def test_an_update_that_failed_is_done_again_from_the_start(launcher):
    launcher.start()
    launcher.change("requirements.txt")
    assert launcher.start(FAIL="sync").code == 2
    assert made(launcher.start()) == ["venv --quiet", "pip sync", "pip install"]


def test_without_uv_python_makes_the_environment_and_uv_comes_from_the_registry(launcher):
    uv = launcher.bin / "uv"
    moved = uv.rename(launcher.bin / "hidden-uv")
    ended = launcher.start(FAKE_UV=str(moved))
    assert made(ended)[0] == "-m venv"
    assert made(ended)[-2:] == ["pip sync", "pip install"]


@pytest.mark.parametrize("installed", [None, "too old"])
def test_without_a_suitable_python_one_sentence_says_so(launcher, installed):
    (launcher.bin / "python3.11").unlink()
    if installed:
        launcher.add_tool("python3", "#!/usr/bin/env bash\nexit 1\n")
    ended = launcher.start("status")
    assert (ended.code, ended.out, ended.calls) == (1, "", [])
    assert ended.err == (
        "nocturne: Python 3.11 or 3.12 is needed and was not found on the PATH; install one and"
        " try again.\n"
    )
    assert not launcher.venv.exists()


def test_it_starts_from_anywhere_and_through_a_link(launcher, tmp_path):
    launcher.start()
    (tmp_path / "link").symlink_to(launcher.project / "nocturne")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for command in (launcher.project / "nocturne", tmp_path / "link"):
        launcher.notes.write_text("")
        subprocess.run([command, "up"], env=launcher.environment(), cwd=elsewhere, check=True)
        assert launcher.notes.read_text() == "python|-P|-m|nocturne.cli|up|\n"


@pytest.mark.skipif(shutil.which("flock") is None, reason="there is no flock here")
def test_two_first_starts_at_once_make_one_environment(launcher):
    launcher.notes.write_text("")
    command = [launcher.project / "nocturne", "status"]
    starts = [
        subprocess.Popen(command, env=launcher.environment(), stderr=subprocess.DEVNULL)
        for _ in range(2)
    ]
    assert [start.wait() for start in starts] == [0, 0]
    calls = launcher.notes.read_text().splitlines()
    assert sum(call.startswith("uv|venv|") for call in calls) == 1
    assert sum("nocturne.cli|status" in call for call in calls) == 2


def test_the_launcher_itself_takes_less_than_half_a_second(launcher):
    launcher.start()
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        launcher.start()
        seconds.append(time.perf_counter() - began)
    assert min(seconds) < 0.5


def test_files_in_the_callers_folder_are_not_taken_for_modules(tmp_path):
    """What `-P` in the hand-over is for, shown on this environment's Python."""
    (tmp_path / "typer.py").write_text("raise SystemExit('not ours')")
    done = subprocess.run(
        [sys.executable, "-P", "-m", "nocturne.cli", "--help"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
