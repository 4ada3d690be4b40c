"""A process of a bench: run to its end, its memory watched, its last line taken for its result."""

import json
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from time import perf_counter, sleep
from typing import IO, Any

import psutil

from nocturne.errors import NocturneError

LOOK_SECONDS = 0.05
SHOWN_CHARACTERS = 3000


@dataclass(frozen=True)
class Ended:
    """What a process said; `peak_mib` is the most resident memory that was seen of it."""

    result: dict[str, Any]
    seconds: float
    peak_mib: float


def run_watched(command: Sequence[str], environment: Mapping[str, str]) -> Ended:
    """Raises NocturneError with the end of what the process said if it fails."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        started = perf_counter()
        with subprocess.Popen(command, env=environment, stdout=out, stderr=err) as process:
            try:
                peak = watch_memory(process)
            except BaseException:
                process.terminate()
                raise
        seconds = perf_counter() - started
        if process.returncode:
            raise NocturneError(f"{' '.join(command)} failed:\n{read_all(err)[-SHOWN_CHARACTERS:]}")
        return Ended(json.loads(read_all(out).splitlines()[-1]), seconds, peak)


def watch_memory(process: subprocess.Popen[bytes]) -> float:
    """Until it ends; the highest resident set that was seen, in MiB."""
    seen, peak = psutil.Process(process.pid), 0
    while process.poll() is None:
        with suppress(psutil.NoSuchProcess):
            peak = max(peak, seen.memory_info().rss)
        sleep(LOOK_SECONDS)
    return peak / 2**20


def read_all(file: IO[str]) -> str:
    file.seek(0)
    return file.read()
