"""The process that a file is analysed in may hang, die or eat: the next file gets a new one."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import soundfile

from nocturne.audio.analyse import analyse_file
from nocturne.audio.names import Analysis
from nocturne.audio.rules import TRANSIENT_RULES, Rule
from nocturne.audio.worker import Limits, Worker, WorkerFailed

HERE = Path(__file__).parent
LIMITS = Limits(least_seconds=1, seconds_per_megabyte=0, memory_bytes=600 << 20)


@pytest.fixture
def worker(monkeypatch):
    """A worker whose files do what their names say; see `unruly_tasks`."""
    monkeypatch.syspath_prepend(HERE)
    with Worker(LIMITS, "unruly_tasks") as worker:
        yield worker


def analyse(worker: Worker, name: str):
    return worker.analyse_file(Path(name), "abc", Analysis())


def pid_of(worker: Worker) -> int:
    return int(analyse(worker, "good").features[0])


def test_one_child_analyses_one_file_after_another(worker):
    pids = {pid_of(worker) for _ in range(50)}
    assert len(pids) == 1
    assert pids != {os.getpid()}


@pytest.mark.parametrize(
    ("name", "rule", "reason"),
    [
        ("dies", Rule.DECODER_DIED, "SIGSEGV"),
        ("exits", Rule.DECODER_DIED, "code 3"),
        ("hangs", Rule.DECODER_HUNG, "no result after 1 s"),
        ("hoards", Rule.TOO_LARGE_IN_MEMORY, str(600 << 20)),
    ],
)
def test_a_file_that_ends_its_decoder_is_a_row_and_the_next_is_good(worker, name, rule, reason):
    before = pid_of(worker)
    record = analyse(worker, name)
    assert (record.audio_sha256, record.features, record.rule) == ("abc", None, rule)
    assert reason in record.reason
    assert pid_of(worker) != before
    assert not psutil.pid_exists(before)


def test_a_decoder_that_hangs_in_a_system_call_is_ended(worker, tmp_path):
    os.mkfifo(tmp_path / "hangs in C.mp3")
    record = worker.analyse_file(tmp_path / "hangs in C.mp3", "abc", Analysis())
    assert record.rule == Rule.DECODER_HUNG


def test_a_child_killed_while_idle_is_replaced(worker):
    before = pid_of(worker)
    worker.child.kill()
    worker.child.wait()
    assert pid_of(worker) != before


def test_a_child_killed_at_work_by_somebody_else_is_a_row(worker):
    threading.Timer(0.3, pid_of(worker) and worker.child.kill).start()
    record = analyse(worker, "hangs")
    assert (record.rule, "SIGKILL" in record.reason) == (Rule.DECODER_DIED, True)


def test_what_may_be_the_machines_fault_is_tried_again():
    assert {Rule.DECODER_DIED, Rule.DECODER_HUNG, Rule.DECODER_FAILED} < TRANSIENT_RULES
    assert Rule.TOO_LARGE_IN_MEMORY not in TRANSIENT_RULES


def test_a_child_has_one_thread_for_each_library(worker):
    assert analyse(worker, "threads").reason == "1 1 1"


def test_what_c_libraries_print_is_not_heard_but_pythons_last_words_are(capfd, monkeypatch):
    monkeypatch.syspath_prepend(HERE)
    with Worker(LIMITS, "unruly_tasks") as worker:
        assert analyse(worker, "shouts").rule is None
    assert capfd.readouterr() == ("", "")
    with (
        Worker(LIMITS, "no_such_tasks") as worker,
        pytest.raises(WorkerFailed, match=r"does not start.*code 1"),
    ):
        analyse(worker, "good")
    assert "no_such_tasks" in capfd.readouterr().err


def test_a_child_ends_with_its_worker_and_with_its_parent():
    program = (
        "import os, sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path\n"
        "from nocturne.audio.names import Analysis\n"
        "from nocturne.audio.worker import Worker\n"
        "worker = Worker(module='unruly_tasks')\n"
        "record = worker.analyse_file(Path('good'), '', Analysis())\n"
        "print(int(record.features[0]), flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, HERE], capture_output=True, text=True, check=False
    )
    child = int(done.stdout)
    for _ in range(50):
        if not psutil.pid_exists(child):
            return
        time.sleep(0.1)
    pytest.fail("the child outlived its parent")


def test_a_larger_file_has_more_time(tmp_path):
    (tmp_path / "a").write_bytes(bytes(2_000_000))
    limits = Limits(least_seconds=10, seconds_per_megabyte=5, most_seconds=100)
    assert limits.seconds(tmp_path / "a") == 20
    assert limits.seconds(tmp_path / "missing") == 10
    os.truncate(tmp_path / "a", 1 << 30)
    assert limits.seconds(tmp_path / "a") == 100


def test_memory_is_flat_over_many_clips_and_features_are_those_of_one_process(tmp_path):
    random = np.random.default_rng(3)
    clips = [tmp_path / f"{number}.wav" for number in range(6)]
    for number, clip in enumerate(clips):
        noise = random.uniform(-0.5, 0.5, ((3 + number) * 22050, 2))
        soundfile.write(clip, noise, 22050)
    with Worker() as worker:
        resident = []
        for number in range(150):
            record = worker.analyse_file(clips[number % 6], str(number), Analysis())
            resident.append(psutil.Process(worker.child.pid).memory_info().rss)
    assert record == analyse_file(clips[149 % 6], "149", Analysis())
    settled = np.array(resident[30:])
    assert np.ptp(settled) / settled.mean() < 0.10, "that is ±5 %"
