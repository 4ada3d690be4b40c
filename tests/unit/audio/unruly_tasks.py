"""What a worker's child may be given to do: a file's name says how it ends."""

import os
import resource
import signal
import time
from pathlib import Path

import numpy as np

from nocturne.audio.names import Analysis
from nocturne.audio.rules import Rule
from nocturne.audio.store import FeatureRecord

held: list[np.ndarray] = []


def warm_up() -> None:
    held.clear()


def analyse_file(path: Path, audio_sha256: str, analysis: Analysis) -> FeatureRecord:
    match path.stem:
        case "dies":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "exits":
            os._exit(3)
        case "hangs":
            time.sleep(600)
        case "hangs in C":
            path.read_bytes()  # of a pipe that nobody writes to
        case "hoards":
            return hoard(audio_sha256)
        case "threads":
            names = ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS")
            return FeatureRecord.refused(
                audio_sha256, Rule.SILENT, " ".join(os.environ[name] for name in names)
            )
        case "shouts":
            os.write(2, b"from a C library\n")
    return FeatureRecord(audio_sha256, [float(os.getpid())], None, None, 1.0)


def hoard(audio_sha256: str) -> FeatureRecord:
    try:
        while True:
            held.append(np.ones(1 << 22))
    except MemoryError:
        limit = resource.getrlimit(resource.RLIMIT_DATA)[0]
        return FeatureRecord.refused(audio_sha256, Rule.TOO_LARGE_IN_MEMORY, str(limit))
