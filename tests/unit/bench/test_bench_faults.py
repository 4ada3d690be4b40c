"""Kills of the fault bench, on real processes: one counts when the victim lived and died of it."""

import subprocess
import sys
import time
from types import SimpleNamespace

import psutil
import pytest

from nocturne.bench import fault_kills
from nocturne.bench.fault_kills import Consumers, Plan, kill_process, kill_server, strike
from nocturne.errors import ServiceUnavailable
from nocturne.settings import Settings
from nocturne.stack.supervise import ProcessState

SLEEP = "import time; time.sleep(60)"


def run(program):
    return subprocess.Popen([sys.executable, "-c", program])


@pytest.fixture
def victim():
    with run(SLEEP) as process:
        yield process
        process.kill()


def test_a_process_that_lives_dies_of_it():
    # As the child of another, like a server: somebody else learns of its death.
    parent = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])"
    with subprocess.Popen([sys.executable, "-c", parent, SLEEP]) as process:
        while not (children := psutil.Process(process.pid).children()):
            time.sleep(0.02)
        assert kill_process(children[0])
        assert not children[0].is_running()


def test_a_process_that_is_gone_was_not_killed():
    with run("") as process:
        gone = psutil.Process(process.pid)
        process.wait()
    assert not kill_process(gone)


def test_a_dead_process_that_nobody_has_buried_was_not_killed():
    with run("") as process:
        dead = psutil.Process(process.pid)
        while dead.status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.02)
        assert not kill_process(dead)


class Supervised:
    """A supervisor that says one thing after another of its servers, the last for good."""

    def __init__(self, *states):
        self.states = [*states]

    def processes(self):
        state, pid = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        return [
            ProcessState("embedded-kafka", state, pid, 1),
            ProcessState("mongo", "running", 1, 1),
        ]


def test_a_server_that_is_on_its_way_back_is_waited_for(victim):
    supervisor = Supervised(("starting", 0), ("backoff", 0), ("running", victim.pid))
    assert kill_server(supervisor, "kafka")
    assert not psutil.pid_exists(victim.pid)


@pytest.mark.parametrize("state", ["starting", "stopped", "fatal", "exited"])
def test_a_server_that_does_not_run_is_not_killed(state, monkeypatch):
    monkeypatch.setattr(fault_kills, "ALIVE_SECONDS", 0.3)
    assert not kill_server(Supervised((state, 0)), "kafka")


@pytest.fixture
def consumers(tmp_path, monkeypatch):
    def make(program):
        monkeypatch.setattr(Consumers, "start", lambda _: run(program))
        return Consumers(Settings(home=tmp_path), "a-database", "a-topic")

    return make


def test_a_consumer_that_is_killed_is_started_again(consumers):
    made = consumers(SLEEP)
    before = made.running[1]
    assert made.kill(1)
    assert before.returncode == -9
    assert made.running[1].poll() is None
    for process in made.running:
        process.kill()
        process.wait()


@pytest.mark.parametrize("code", [0, 1])
def test_a_consumer_that_ended_by_itself_is_no_kill(consumers, code):
    made = consumers(f"raise SystemExit({code})")
    for process in made.running:
        process.wait()
    with pytest.raises(ServiceUnavailable, match=f"ended with {code}"):
        made.kill(0)


def test_consumers_that_are_told_to_end_have_done_nothing_wrong(consumers):
    with consumers(SLEEP) as made:
        assert len(made.running) == fault_kills.CONSUMERS
    assert [process.poll() for process in made.running] == [-15] * fault_kills.CONSUMERS


def test_a_consumer_that_failed_is_told_of_when_all_end(consumers):
    made = consumers("raise SystemExit(3)")
    for process in made.running:
        process.wait()
    with pytest.raises(ServiceUnavailable, match="ended with"):
        made.__exit__(None, None, None)


def test_a_plan_tells_of_each_victim_whether_it_died(monkeypatch, tmp_path):
    monkeypatch.setattr(fault_kills, "kill_server", lambda _, name: name == "mongo")
    plan = Plan(records=1, seconds=2, consumer_kills=2, seed=1)
    struck = list(strike(plan, Settings(home=tmp_path), SimpleNamespace(kill=lambda _: True)))
    assert sorted(struck) == [
        ("consumer", True), ("consumer", True), ("kafka", False), ("mongo", True)
    ]  # fmt: skip


@pytest.mark.parametrize("seed", range(5))
def test_a_plan_kills_all_it_says_while_records_flow(seed):
    victims = Plan(records=10, seconds=20, seed=seed).victims()
    names = sorted(name for _, name in victims)
    assert names == ["consumer"] * 5 + ["kafka", "mongo"]
    moments = [moment for moment, _ in victims]
    assert moments == sorted(moments)
    assert 2 <= moments[0] <= moments[-1] <= 20
