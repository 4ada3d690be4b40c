"""A real supervisord, with small programs in place of the servers."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from nocturne.errors import Misuse, NocturneError
from nocturne.stack.processes import MARK, end_processes, read_session, stack_processes
from nocturne.stack.supervise import LONGEST_SOCKET_PATH, Program, Supervisor, quote_command

# Notes its arguments and its end; `stubborn` does not mind SIGTERM.
SERVE = """
import os, signal, sys, time
name, diary = sys.argv[1:3]

def note(line):
    with open(diary, "a") as out:
        out.write(line + chr(10))

def end(*_):
    note("end " + name)
    sys.exit()

signal.signal(signal.SIGTERM, signal.SIG_IGN if name == "stubborn" else end)
note("start " + name)
print("serving", *sys.argv[1:], os.environ.get("COLOUR"), flush=True)
while True:
    time.sleep(60)
"""
# As Airflow does, whose titles overwrite the variables that others could read.
NAMELESS = ["/usr/bin/env", "-i", "/bin/sleep", "60"]


@pytest.fixture
def stack_dir() -> Iterator[Path]:
    """A folder whose name holds all that supervisord would interpret."""
    with tempfile.TemporaryDirectory(prefix="nct #1;50%(x)s é ") as folder:
        stack_dir = Path(folder) / "stack"
        stack_dir.mkdir()
        try:
            yield stack_dir
        finally:
            end_processes(stack_dir, patience_seconds=0)


@pytest.fixture
def supervisor(stack_dir) -> Supervisor:
    return Supervisor(stack_dir)


@pytest.fixture
def serve(stack_dir, tmp_path) -> Callable[..., Program]:
    script = tmp_path / "serve.py"
    script.write_text(SERVE)

    def make(group: str, name: str, *arguments: str) -> Program:
        command = [sys.executable, str(script), name, str(stack_dir / "diary"), *arguments]
        return Program(group, name, command, stop_seconds=1)

    return make


def diary(stack_dir: Path) -> list[str]:
    path = stack_dir / "diary"
    return path.read_text().splitlines() if path.is_file() else []


def wait_for(condition: Callable[[], object], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def pids(supervisor: Supervisor) -> dict[str, int]:
    return {process.name: process.pid for process in supervisor.processes() if process.pid}


def alive(pid: int) -> bool:
    """Does it run? A zombie whose parent does not reap it does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_programs_run_die_come_back_and_stop_in_reverse_order(supervisor, stack_dir, serve):
    odd = ["a b", "#1", "; 2", "50%", "%(here)s", 'it\'s "é"', ""]
    programs = [serve("stores", "store", *odd), serve("airflow", "one"), serve("airflow", "two")]
    supervisor.start(programs, {"COLOUR": "blue", "PATH": os.environ["PATH"]})

    assert supervisor.is_running()
    assert {process.state for process in supervisor.processes()} == {"stopped"}
    assert supervisor.stopped("airflow") == ["one", "two"]
    assert supervisor.environment() == {
        "COLOUR": "blue",
        "PATH": os.environ["PATH"],
        MARK: str(stack_dir),
    }

    with pytest.raises(NocturneError, match=r"supervisord did not start: .*already listening"):
        supervisor.start(programs, {"PATH": os.environ["PATH"]})
    assert supervisor.is_running(), "a second one does not disturb the first"

    supervisor.start_group("stores")
    wait_for(lambda: diary(stack_dir) == ["start store"])
    supervisor.start_group("airflow")
    wait_for(lambda: len(diary(stack_dir)) == 3)
    supervisor.start_group("airflow")
    log = (stack_dir / "logs/store.log").read_text("utf-8")
    assert log == " ".join(["serving store", str(stack_dir / "diary"), *odd, "blue\n"])
    assert not (stack_dir / "supervisord.conf").read_text("utf-8").count("blue")

    before = pids(supervisor)
    os.kill(before["store"], signal.SIGKILL)
    wait_for(lambda: pids(supervisor).get("store", before["store"]) != before["store"])
    assert pids(supervisor)["one"] == before["one"]
    wait_for(lambda: diary(stack_dir).count("start store") == 2)
    assert len(stack_processes(stack_dir)) == 4

    supervisor.stop()
    assert not supervisor.is_running()
    assert not stack_processes(stack_dir)
    assert not supervisor.socket.exists()
    assert sorted(diary(stack_dir)[-3:-1]) == ["end one", "end two"]
    assert diary(stack_dir)[-1] == "end store"
    supervisor.stop()


def test_what_a_killed_program_left_ends_before_it_starts_again(supervisor, stack_dir, tmp_path):
    """As of a killed scheduler its workers, with the jobs that they have started."""
    script = tmp_path / "scheduler"
    script.write_text("#!/bin/sh\n/bin/sh -c 'sleep 60 & wait' &\nwait\n")
    script.chmod(0o755)
    take_over = [sys.executable, "-P", "-m", "nocturne.stack.take_over"]
    programs = [
        Program("airflow", "scheduler", [*take_over, str(script), "an argument"]),
        Program("airflow", "other", NAMELESS),
    ]
    supervisor.start(programs, {"PATH": os.environ["PATH"]})
    supervisor.start_group("airflow")
    wait_for(lambda: len(stack_processes(stack_dir)) == 5)
    before = {process.pid for process in stack_processes(stack_dir)}
    scheduler, other = pids(supervisor)["scheduler"], pids(supervisor)["other"]
    assert psutil.Process(scheduler).cmdline()[-2:] == [str(script), "an argument"]
    os.kill(scheduler, signal.SIGKILL)
    wait_for(lambda: pids(supervisor).get("scheduler", scheduler) != scheduler)
    kept = {read_session(stack_dir), other}
    wait_for(lambda: {pid for pid in before if alive(pid)} == kept)
    wait_for(lambda: len(stack_processes(stack_dir)) == 5)
    supervisor.stop()


@pytest.fixture
def bystander() -> Iterator[subprocess.Popen]:
    """A process that is no part of any stack."""
    with subprocess.Popen(["/bin/sleep", "60"]) as process:
        yield process
        process.kill()


def test_nothing_outlives_a_killed_supervisord(stack_dir, tmp_path, serve, bystander):
    """Also where the home is reached by a link, and by its own path later."""
    (tmp_path / "link").symlink_to(stack_dir)
    through_link, supervisor = Supervisor(tmp_path / "link"), Supervisor(stack_dir)
    programs = [serve("servers", "stubborn"), Program("servers", "nameless", NAMELESS)]
    through_link.start(programs, {"PATH": os.environ["PATH"]})
    supervisor.start_group("servers")
    wait_for(lambda: diary(stack_dir) == ["start stubborn"])
    first, orphans = read_session(stack_dir), pids(supervisor)
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: not alive(first))
    assert not supervisor.is_running()
    assert {process.pid for process in stack_processes(stack_dir)} == set(orphans.values())

    supervisor.stop()
    assert not any(map(alive, orphans.values()))

    # The pid file of the first is still there, and must not be taken for that of the second.
    supervisor.start([Program("servers", "nameless", NAMELESS)], {"PATH": os.environ["PATH"]})
    second = read_session(stack_dir)
    assert second != first
    assert alive(second)
    supervisor.start_group("servers")
    wait_for(lambda: pids(supervisor))
    os.kill(second, signal.SIGKILL)
    wait_for(lambda: not alive(second))
    assert len(stack_processes(tmp_path / "link")) == 1
    through_link.stop()
    assert not stack_processes(stack_dir)
    assert bystander.poll() is None


def folder_of_length(parent: Path, length: int) -> Path:
    """A folder whose supervisor socket has a path of so many bytes."""
    left = length - len(os.fsencode(parent / "x" / "supervisor.sock")) + 1
    return parent / ("é" * (left // 2) + "x" * (left % 2))


def test_what_gave_up_starts_again_when_asked(stack_dir, tmp_path):
    """It leaves the state of a program that died 20 times; in the longest home there can be."""
    longest = folder_of_length(stack_dir, LONGEST_SOCKET_PATH)
    longest.mkdir()
    supervisor = Supervisor(longest)
    assert len(os.fsencode(supervisor.socket)) == LONGEST_SOCKET_PATH
    script = tmp_path / "server"
    supervisor.start([Program("servers", "kafka", [str(script)])], {"PATH": os.environ["PATH"]})
    with pytest.raises(NocturneError, match="kafka did not start"):
        supervisor.start_group("servers")
    assert supervisor.stopped("servers") == ["kafka"]
    script.write_text("#!/bin/sh\nexec sleep 60\n")
    script.chmod(0o755)
    supervisor.start_group("servers")
    wait_for(lambda: pids(supervisor))
    assert supervisor.stopped("servers") == []
    supervisor.stop()
    assert not stack_processes(longest)


def test_a_folder_that_never_ran_has_nothing_to_stop(tmp_path):
    supervisor = Supervisor(tmp_path)
    assert not supervisor.is_running()
    supervisor.stop()
    assert stack_processes(tmp_path) == []


def test_a_supervisord_that_ends_at_once_is_told(supervisor, monkeypatch):
    monkeypatch.setattr("nocturne.stack.supervise.START_SECONDS", 0.1)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 0))
    with pytest.raises(NocturneError, match=r"did not start; its log is .*/logs/supervisord\.log"):
        supervisor.start([], {})


def test_a_longer_one_is_misuse_that_names_the_setting(stack_dir):
    with pytest.raises(Misuse, match=r"NOCTURNE_HOME is too long a path: .* over 95 bytes"):
        Supervisor(folder_of_length(stack_dir, LONGEST_SOCKET_PATH + 1))


def test_a_plain_command_stays_readable():
    assert quote_command(["/usr/bin/java", "-Xmx768m", "a b"]) == "/usr/bin/java -Xmx768m 'a b'"
