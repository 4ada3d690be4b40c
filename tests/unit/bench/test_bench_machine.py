"""How busy the machine was: real processes beside a bench, and processes of the bench itself.

The machine that runs the tests may be busy, too: what is compared are differences that a spinning
process makes.
"""

import os
import subprocess
import sys
from time import monotonic, sleep

import psutil
import pytest

from nocturne import console
from nocturne.bench import benches, machine
from nocturne.bench.machine import MARK, Machine, Times, Watch, watch_machine

SPIN = "import time\nend = time.monotonic() + {seconds}\nwhile time.monotonic() < end: pass"
SECONDS = 3


def spin(**options):
    command = [sys.executable, "-c", SPIN.format(seconds=60)]
    return subprocess.Popen(command, **options)


def wait_busily(*processes):
    """Until each of them has had SECONDS of a core."""
    end = monotonic() + 60
    while monotonic() < end:
        sleep(0.2)
        if all(sum(psutil.Process(each.pid).cpu_times()[:2]) > SECONDS for each in processes):
            return
    raise AssertionError("the spinning processes had no core")


def count_others(start):
    """Seconds of others and of all that a process used while a watch looked at the machine."""
    watch = Watch(mark="of this test")
    before = watch.look()
    process = start()
    try:
        wait_busily(process)
        return watch, watch.look().since(before), process
    finally:
        process.kill()
        process.wait()


def own_seconds(watch):
    return {pid: seen.used for (pid, _), seen in watch.seen.items() if seen.is_own}


def test_what_the_bench_starts_is_its_own():
    watch, times, process = count_others(spin)
    assert own_seconds(watch)[process.pid] > SECONDS
    assert times.others < times.all - times.steal - SECONDS + 0.5


def test_a_marked_process_is_the_benchs_whoever_its_parent_became(tmp_path):
    """As supervisord does: its starter ends, and init takes it over."""
    pid_file = tmp_path / "pid"
    orphan = (
        "import os, subprocess, sys\n"
        f"process = subprocess.Popen([sys.executable, '-c', {SPIN.format(seconds=20)!r}])\n"
        f"open({str(pid_file)!r}, 'w').write(str(process.pid))"
    )
    for mark, is_own in (("of this test", True), ("of another", False)):
        watch = Watch(mark="of this test")
        watch.look()
        subprocess.run([sys.executable, "-c", orphan], env={**os.environ, MARK: mark}, check=True)
        process = psutil.Process(int(pid_file.read_text()))
        try:
            watch.look()
            assert (process.pid in own_seconds(watch)) is is_own
        finally:
            process.kill()


def test_the_time_of_children_that_came_and_went_is_the_benchs():
    watch = Watch(mark="of this test")
    watch.look()
    before = watch.own_seconds
    subprocess.run([sys.executable, "-c", SPIN.format(seconds=2)], check=True)
    used = sum(psutil.Process().cpu_times()[2:4])
    watch.look()
    first = watch.own_seconds - before
    assert 0.2 < first < used + 2
    watch.look()
    assert watch.own_seconds - before - first < 0.5, "counted once"


def test_the_time_of_a_child_that_was_seen_and_ended_counts_once():
    watch = Watch(mark="of this test")
    watch.look()
    process = spin()
    wait_busily(process)
    watch.look()
    while_it_lived = watch.own_seconds
    process.kill()
    process.wait()
    watch.look()
    assert watch.own_seconds - while_it_lived < SECONDS / 2


def test_a_process_that_ran_before_makes_the_machine_not_quiet(monkeypatch):
    monkeypatch.setattr(machine, "SAMPLE_SECONDS", 1.0)
    process = spin()
    try:
        with watch_machine() as watched:
            wait_busily(process)
    finally:
        process.kill()
        process.wait()
    found = watched.describe()
    assert found["others_share"] > machine.QUIET_SHARE
    assert found["busiest_share"] >= found["others_share"]
    assert found["quiet"] is False
    assert "Other processes used" in found["disturbed_by"]
    assert found["cores"] == psutil.cpu_count()
    assert MARK not in os.environ


def test_what_a_bench_starts_is_marked_even_where_it_is_not_a_child():
    with watch_machine():
        mark = os.environ[MARK]
        code = f"import os; print(os.environ[{MARK!r}])"
        command = [sys.executable, "-c", code]
        printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert printed.strip() == mark


@pytest.mark.parametrize(
    ("moments", "quiet"),
    [
        ([(10, 0, 0.4)], True),
        ([(10, 0, 0.6)], False),
        ([(10, 0.6, 0)], False),
        ([(10, 0.3, 0.3)], False),
        ([(10, 0, 0)] * 99 + [(10, 0, 2.0)], True),
        ([(10, 0, 0)] * 99 + [(10, 0, 3.0)], False),
        ([(10, 0, 0)] * 99 + [(0.1, 0, 0.1)], True),
        ([(10, 0, -0.1)], True),
    ],
)
def test_a_twentieth_in_all_and_a_quarter_in_a_moment_are_quiet(moments, quiet):
    watched = Machine((0.0, 0.0))
    for whole, steal, others in moments:
        watched.add(Times(whole, steal, others), seconds=whole / 2)
    assert watched.describe()["quiet"] is quiet
    assert bool(watched.explain()) is not quiet


@pytest.mark.parametrize("busy", [False, True])
def test_every_bench_says_whether_its_ratios_are_sound(monkeypatch, capsys, busy):
    monkeypatch.setattr(machine, "BEFORE_SECONDS", 0.01)
    monkeypatch.setattr(machine.Machine, "explain", lambda _: "Others [ran]." if busy else "")
    monkeypatch.setattr(
        benches, "import_module", lambda _: type("Bench", (), {"measure": lambda *_: {"ratio": 2}})
    )
    found = benches.run_bench("ingest", 0, print)
    assert (found["ratio"], found["sound"], found["machine"]["quiet"]) == (2, not busy, not busy)
    console.print_bench(found)
    shown = capsys.readouterr().out
    if busy:
        assert "These ratios are not sound: the machine was not quiet. Others [ran]." in shown
    else:
        assert "these ratios are sound" in shown
