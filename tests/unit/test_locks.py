import subprocess
import sys
import threading
from contextlib import contextmanager

from nocturne.locks import one_at_a_time

HOLD = """
import sys
from pathlib import Path
from nocturne.locks import one_at_a_time
with one_at_a_time(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def holder(lock):
    """Another process that holds the lock until its stdin ends."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, lock], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def take(lock) -> tuple[threading.Thread, threading.Event]:
    """A thread that takes and leaves the lock, and an event that says that it has."""
    taken = threading.Event()

    def run() -> None:
        with one_at_a_time(lock):
            taken.set()

    thread = threading.Thread(target=run)
    thread.start()
    return thread, taken


def test_a_second_process_waits_until_the_first_is_done(tmp_path):
    lock = tmp_path / "lock"
    with holder(lock) as process:
        thread, taken = take(lock)
        assert not taken.wait(0.2)
        process.stdin.close()
        assert taken.wait(10)
        thread.join()


def test_a_killed_process_holds_nothing(tmp_path):
    lock = tmp_path / "lock"
    with holder(lock) as process:
        thread, taken = take(lock)
        assert not taken.wait(0.2)
        process.kill()
        assert taken.wait(10)
        thread.join()


def test_an_error_inside_frees_it(tmp_path):
    lock = tmp_path / "lock"
    try:
        with one_at_a_time(lock):
            raise ZeroDivisionError
    except ZeroDivisionError:
        thread, taken = take(lock)
        assert taken.wait(10)
        thread.join()


def test_what_is_started_while_it_is_held_does_not_inherit_it(tmp_path):
    lock = tmp_path / "lock"
    with one_at_a_time(lock):
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    with child:
        thread, taken = take(lock)
        assert taken.wait(10)
        thread.join()
        child.kill()
