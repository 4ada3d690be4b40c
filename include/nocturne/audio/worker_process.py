"""The child of a `nocturne.audio.worker.Worker`.

    python -W ignore -m nocturne.audio.worker_process CONNECTION MEMORY_BYTES MODULE

It answers each task from the connection (a file descriptor) with the record that MODULE's
`analyse_file` makes, and ends when the connection does.
"""

import importlib
import math
import os
import resource
import signal
import sys
from multiprocessing.connection import Connection

PARENT_SECONDS = 30
"""Who is still at a task so long after its time has been left alone, and ends itself."""


def main(descriptor: int, memory_bytes: int, module: str) -> None:
    silence_libraries()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's matter
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    work = importlib.import_module(module)
    work.warm_up()
    resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
    with Connection(descriptor) as line:
        line.send("ready")
        while True:
            try:
                *task, seconds = line.recv()
            except EOFError:
                return
            # Without a handler the alarm ends the process, whatever a C library is doing.
            signal.alarm(math.ceil(seconds) + PARENT_SECONDS)
            record = work.analyse_file(*task)
            signal.alarm(0)
            line.send(tuple(record))


def silence_libraries() -> None:
    """Keep Python's own stderr, and take the C libraries' away.

    libmpg123 and FFmpeg write a line there for each broken frame of a file, without its name; what
    matters is in the file's record. Python's warnings (`-W ignore`) are of the same kind.
    """
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1)
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123
        os.dup2(nowhere.fileno(), 2)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
