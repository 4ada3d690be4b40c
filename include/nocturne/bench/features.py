"""Features: our extractor beside librosa's and beside decoding alone, and the job that uses it."""

import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from nocturne.audio.decode import decode
from nocturne.audio.features import extract
from nocturne.audio.names import Analysis, SampleRate
from nocturne.bench.features_clips import gather_clips
from nocturne.bench.features_errors import Compared, compare_columns, describe_errors
from nocturne.bench.features_job import SAMPLE_RATE, measure_memory, measure_scaling
from nocturne.bench.features_peers import (
    find_essentia,
    load_clip,
    naive_series,
    shared_series,
    summarise_plainly,
)
from nocturne.bench.turns import rotate

Say = Callable[[str], None]
Way = Callable[[Path], Any]
CLIPS = 12
ROUNDS = 3


def measure(records: int, say: Say) -> dict[str, Any]:
    """Milliseconds a clip, one thread, warm; each way has its turn at each clip in each round, and
    another one is first at each.

    `records` is the number of clips, 0 for CLIPS. Every way reads the file.
    """
    with tempfile.TemporaryDirectory(prefix="nocturne-bench-") as name, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        clips, real = gather_clips(Path(name), records or CLIPS)
        say(f"{len(clips)} clips, {real} of them real")
        with threadpool_limits(1):
            seconds = time_ways(choose_ways(), clips, say)
            errors = [measure_errors(clip) for clip in clips]
        return {
            **compare(seconds),
            **describe_errors(errors),
            **time_compilation(Path(name)),
            "scaling": measure_scaling(clips, Path(name), say),
            "memory": measure_memory(clips, say),
            "clips": len(clips),
            "real_clips": real,
        }


def choose_ways() -> dict[str, Way]:
    """What is timed, by name; Essentia only where it is installed."""
    ways: dict[str, Way] = {
        "ours": lambda clip: extract(*decode_at(clip, SAMPLE_RATE)),
        "naive": lambda clip: summarise_plainly(naive_series(*load_clip(clip, SAMPLE_RATE))),
        "shared": lambda clip: summarise_plainly(shared_series(*load_clip(clip, SAMPLE_RATE))),
        "floor": lambda clip: load_clip(clip, SAMPLE_RATE)[0],
        "own_floor": lambda clip: decode_at(clip, SAMPLE_RATE)[0],
        "ours_native": extract_at_native_rate,
        "shared_native": lambda clip: summarise_plainly(shared_series(*load_clip(clip, None))),
    }
    essentia = find_essentia()
    if essentia:
        ways["essentia"] = lambda clip: essentia.MusicExtractor()(str(clip))
    return ways


def extract_at_native_rate(clip: Path) -> npt.NDArray[np.float64]:
    return extract(*decode_at(clip, "native"))


def decode_at(clip: Path, sample_rate: SampleRate) -> tuple[npt.NDArray[np.float32], int]:
    """Samples and their rate."""
    decoded = decode(clip, Analysis(sample_rate))
    return decoded.samples, decoded.sample_rate


def time_ways(
    ways: Mapping[str, Way], clips: Sequence[Path], say: Say
) -> dict[str, list[list[float]]]:
    """Seconds of each way, a list of rounds for each clip; what has to be compiled or loaded is
    before the first round.
    """
    for clip in clips:
        ways["ours"](clip), ways["ours_native"](clip)  # filters are kept by tuning
    for way in ways.values():
        way(clips[0])
    seconds: dict[str, list[list[float]]] = {name: [[] for _ in clips] for name in ways}
    for turn in range(1, ROUNDS + 1):
        for number, clip in enumerate(clips):
            for name in rotate(list(ways), turn + number):
                begun = perf_counter()
                ways[name](clip)
                seconds[name][number].append(perf_counter() - begun)
        say(f"round {turn} of {ROUNDS}")
    return seconds


def compare(seconds: Mapping[str, list[list[float]]]) -> dict[str, Any]:
    """Medians over clips of each clip's median round, and their ratios."""
    middle = {name: median(map(median, by_clip)) for name, by_clip in seconds.items()}
    best = {name: median(map(min, by_clip)) for name, by_clip in seconds.items()}
    return {
        "speedup_over_naive": round(middle["naive"] / middle["ours"], 2),
        "speedup_over_shared": round(middle["shared"] / middle["ours"], 2),
        "speedup_over_shared_native": round(middle["shared_native"] / middle["ours_native"], 2),
        "times_floor": round(middle["ours"] / middle["floor"], 2),
        "times_own_floor": round(middle["ours"] / middle["own_floor"], 2),
        "milliseconds": {name: round(1000 * value, 1) for name, value in middle.items()},
        "quietest_milliseconds": {name: round(1000 * value, 1) for name, value in best.items()},
    }


def measure_errors(clip: Path) -> Compared:
    """Ours beside librosa's columns of the same samples."""
    samples, _ = decode_at(clip, SAMPLE_RATE)
    librosas = summarise_plainly(shared_series(samples, SAMPLE_RATE))
    return compare_columns(extract(samples, SAMPLE_RATE), librosas)


def time_compilation(folder: Path) -> dict[str, float]:
    """Seconds until a process can extract: with nothing compiled before, as on a machine's first
    night, and with all of it in numba's cache, as every later one.
    """
    code = (
        "from time import perf_counter; begun = perf_counter();"
        "from nocturne.audio.features import compile_kernels;"
        f"compile_kernels({SAMPLE_RATE}); print(perf_counter() - begun)"
    )
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(folder / "numba")}
    command = [sys.executable, "-P", "-c", code]
    first, later = (
        float(subprocess.check_output(command, env=environment, text=True)) for _ in range(2)
    )
    return {"compile_seconds": round(first, 2), "load_seconds": round(later, 2)}
