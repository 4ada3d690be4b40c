"""The analysis of clips in processes that share nothing: what the machine's cores can do.

As a module it is one of these processes: it prints that it is ready, waits for a line, analyses the
files of its arguments, and ends.
"""

import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from time import perf_counter

from nocturne.audio.analyse import analyse_file
from nocturne.audio.names import Analysis
from nocturne.errors import NocturneError

SAMPLE_RATE = 22_050
CLIPS_EACH = 120


def time_processes(clips: Sequence[Path], processes: int) -> float:
    """Clips a second of so many processes, from the moment when all are ready to the last's end.

    Raises NocturneError if one fails.
    """
    files = [str(clips[number % len(clips)]) for number in range(CLIPS_EACH)]
    command = [sys.executable, "-P", "-m", "nocturne.bench.features_plain", *files]
    with ExitStack() as stack:
        started = [
            stack.enter_context(
                subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            )
            for _ in range(processes)
        ]
        for process in started:
            assert process.stdout is not None  # noqa: S101 - for the type checker
            process.stdout.readline()
        begun = perf_counter()
        for process in started:
            assert process.stdin is not None  # noqa: S101 - for the type checker
            process.stdin.write("\n")
            process.stdin.close()
        codes = [process.wait() for process in started]
        seconds = perf_counter() - begun
    if any(codes):
        raise NocturneError(f"A process that analyses clips ended with {max(codes, key=abs)}.")
    return processes * CLIPS_EACH / seconds


def analyse_when_told(files: Sequence[Path]) -> None:
    """The first file is analysed before, so that code is loaded and filters are made."""
    analyse_file(files[0], "0", Analysis(SAMPLE_RATE))
    print("ready", flush=True)  # noqa: T201 - its parent reads it
    sys.stdin.readline()
    for number, file in enumerate(files):
        record = analyse_file(file, f"{number:064x}", Analysis(SAMPLE_RATE))
        if record.features is None:
            raise NocturneError(f"{file} was refused: {record.reason}")


if __name__ == "__main__":
    analyse_when_told([Path(name) for name in sys.argv[1:]])
