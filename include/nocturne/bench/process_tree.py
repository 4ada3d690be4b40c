"""A process with all that it starts: how much memory they hold, and how to kill them all."""

import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from time import monotonic, sleep

import psutil

LOOK_SECONDS = 0.2
DYING_SECONDS = 10.0


@dataclass
class Peak:
    """The most resident memory seen; pages that processes share count for each of them."""

    tree_bytes: int = 0
    beside_bytes: int = 0


@contextmanager
def watching(process: subprocess.Popen[bytes], beside: int | None) -> Iterator[Peak]:
    """Look at the tree of a process, and at one more process `beside` it, until the block ends."""
    peak, ended = Peak(), threading.Event()

    def look() -> None:
        while not ended.wait(LOOK_SECONDS):
            peak.tree_bytes = max(peak.tree_bytes, measure_tree(process.pid))
            if beside is not None:
                peak.beside_bytes = max(peak.beside_bytes, measure_process(beside))

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield peak
    finally:
        ended.set()
        watcher.join()


def measure_tree(pid: int) -> int:
    with suppress(psutil.NoSuchProcess):
        children = psutil.Process(pid).children(recursive=True)
        return sum(measure_process(each) for each in (pid, *(child.pid for child in children)))
    return 0


def measure_process(pid: int) -> int:
    with suppress(psutil.NoSuchProcess):
        return int(psutil.Process(pid).memory_info().rss)
    return 0


def list_session(leader: int) -> list[int]:
    """The living processes of a session. pyspark's workers leave their parent's process group,
    and outlive it for a moment, but stay in its session.
    """
    found = []
    for process in psutil.process_iter():
        with suppress(ProcessLookupError, psutil.NoSuchProcess):
            if os.getsid(process.pid) == leader and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
    return found


def kill_session(process: subprocess.Popen[bytes]) -> int:
    """SIGKILL a session's leader and all its members at once; how many are left DYING_SECONDS
    later.
    """
    deadline = monotonic() + DYING_SECONDS
    left = list_session(process.pid)
    while left and monotonic() < deadline:
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.poll()
        sleep(0.02)
        left = list_session(process.pid)
    process.wait()
    return len(left)
