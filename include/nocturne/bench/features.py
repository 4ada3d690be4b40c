"""Features: our extractor beside librosa's, beside decoding alone, and on one core and two."""

import json
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import psutil
from threadpoolctl import threadpool_limits

from nocturne.audio.decode import decode
from nocturne.audio.features import extract
from nocturne.audio.names import Analysis, SampleRate
from nocturne.bench.features_clips import gather_clips
from nocturne.bench.features_peers import (
    find_essentia,
    load_clip,
    naive_series,
    shared_series,
    summarise_plainly,
)
from nocturne.settings import load_settings
from nocturne.stack.spark import run_spark, submit

Say = Callable[[str], None]
Way = Callable[[Path], Any]
CLIPS = 12
ROUNDS = 3
SAMPLE_RATE = 22_050
CLOSE = 1e-4
# Spark's start-up falls out of the difference between two nights of these sizes.
FEW_CLIPS, MANY_CLIPS = 24, 504


def measure(records: int, say: Say) -> dict[str, Any]:
    """Milliseconds a clip, one thread, warm; each way has its turn at each clip in each round.

    `records` is the number of clips, 0 for CLIPS. Every way reads the file.
    """
    with tempfile.TemporaryDirectory(prefix="nocturne-bench-") as name, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        clips, real = gather_clips(Path(name), records or CLIPS)
        say(f"{len(clips)} clips, {real} of them real")
        with threadpool_limits(1):
            seconds = time_ways(choose_ways(), clips, say)
            errors = np.stack([measure_errors(clip) for clip in clips])
        return {
            **compare(seconds),
            **describe_errors(errors),
            "scaling": measure_scaling(clips, Path(name), say),
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
            for name, way in ways.items():
                begun = perf_counter()
                way(clip)
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


def measure_errors(clip: Path) -> npt.NDArray[np.float64]:
    """Distance of each column from librosa's on the same samples, over max(1, |librosa|)."""
    samples, _ = decode_at(clip, SAMPLE_RATE)
    expected = np.nan_to_num(summarise_plainly(shared_series(samples, SAMPLE_RATE)))
    distance = np.abs(extract(samples, SAMPLE_RATE) - expected)
    errors: npt.NDArray[np.float64] = distance / np.maximum(1, np.abs(expected))
    return errors


def describe_errors(errors: npt.NDArray[np.float64]) -> dict[str, Any]:
    """Of (clips, 518): the greatest, and how many columns are always close."""
    return {
        "max_relative_error": float(f"{errors.max():.2g}"),
        "close_columns": int((errors.max(axis=0) <= CLOSE).sum()),
    }


def measure_scaling(clips: Sequence[Path], folder: Path, say: Say) -> dict[str, Any]:
    """Clips a second of the Spark job on one core and on two, and how busy it keeps the machine's
    cores then; its start-up taken off. Whatever else the machine does counts as busy, too.
    """
    cores = psutil.cpu_count()
    run_job(clips, FEW_CLIPS, 2, folder)  # for the first one files are read and code is loaded
    found: dict[str, Any] = {}
    rates = {}
    for used in (1, 2):
        few, many = (run_job(clips, count, used, folder) for count in (FEW_CLIPS, MANY_CLIPS))
        seconds = many.seconds - few.seconds
        rates[used] = (MANY_CLIPS - FEW_CLIPS) / seconds
        say(f"Spark, {used} core(s): {rates[used]:.1f} clips a second")
        found[f"clips_per_second_{used}_core{'s' * (used > 1)}"] = round(rates[used], 2)
        found[f"busy_of_{used}"] = round((many.busy_seconds - few.busy_seconds) / seconds / used, 3)
    return {**found, "times": round(rates[2] / rates[1], 2), "machine_cores": cores}


@dataclass(frozen=True)
class Job:
    """`seconds` that the job says it took, `busy_seconds` of all cores of the machine."""

    seconds: float
    busy_seconds: float


def run_job(clips: Sequence[Path], count: int, cores: int, folder: Path) -> Job:
    before = count_busy_seconds()
    seconds = time_job(clips, count, cores, folder)
    return Job(seconds, count_busy_seconds() - before)


def count_busy_seconds() -> float:
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system)


def time_job(clips: Sequence[Path], count: int, cores: int, folder: Path) -> float:
    """Seconds that the job says it took for so many contents: the clips under different keys."""
    with tempfile.TemporaryDirectory(dir=folder) as name:
        work = Path(name)
        files = [clips[number % len(clips)] for number in range(count)]
        catalogue = pd.DataFrame(
            {
                "audio_sha256": [f"{number:064x}" for number in range(count)],
                "audio_path": [str(file) for file in files],
                "audio_bytes": [file.stat().st_size for file in files],
            }
        )
        catalogue.to_parquet(work / "catalogue.parquet")
        settings = load_settings().model_copy(update={"spark_master": f"local[{cores}]"})
        arguments: dict[str, str | Path] = {
            "--catalogue": work / "catalogue.parquet",
            "--audio-dir": folder,
            "--store": work / "store",
            "--sample-rate": str(SAMPLE_RATE),
            "--report": work / "report.json",
        }
        run_spark(submit(settings, "extract_features", arguments))
        return float(json.loads((work / "report.json").read_text("utf-8"))["seconds"])
