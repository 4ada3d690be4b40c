"""The features bench: the Spark job on one core and on two, and the memory of its workers."""

import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import pandas as pd
import psutil

from nocturne.audio.names import Analysis
from nocturne.audio.worker import Worker
from nocturne.bench.features_plain import time_processes
from nocturne.settings import load_settings
from nocturne.stack.spark import run_spark, submit

Say = Callable[[str], None]
SAMPLE_RATE = 22_050
# Spark's start-up falls out of the difference between two nights of these sizes.
FEW_CLIPS, MANY_CLIPS = 24, 504
# Between these two the memory of the process that analyses must not grow.
FIRST_CLIPS, LAST_CLIP = 100, 1000


def measure_scaling(clips: Sequence[Path], folder: Path, say: Say) -> dict[str, Any]:
    """Clips a second of the Spark job on one core and on two, and how busy it keeps the machine's
    cores then; its start-up taken off. Whatever else the machine does counts as busy, too.

    `share_of_machine` is how many times as fast two cores are as one, over the same of two plain
    processes and one: cores that share a cache and a clock are not twice one. Those run before the
    job and after it, in the other order.
    """
    plain = {cores: [time_processes(clips, cores)] for cores in (1, 2)}
    run_job(clips, FEW_CLIPS, 2, folder)  # for the first one files are read and code is loaded
    rates, busy = {}, {}
    for cores in (1, 2):
        few, many = (run_job(clips, count, cores, folder) for count in (FEW_CLIPS, MANY_CLIPS))
        seconds = many.seconds - few.seconds
        rates[cores] = (MANY_CLIPS - FEW_CLIPS) / seconds
        busy[cores] = (many.busy_seconds - few.busy_seconds) / seconds / cores
        say(f"Spark, {cores} core(s): {rates[cores]:.1f} clips a second")
    for cores in (2, 1):
        plain[cores].append(time_processes(clips, cores))
        say(f"{cores} plain process(es): {mean(plain[cores]):.1f} clips a second")
    return {**describe_scaling(rates, busy, plain), "machine_cores": psutil.cpu_count()}


def describe_scaling(
    rates: dict[int, float], busy: dict[int, float], plain: dict[int, list[float]]
) -> dict[str, Any]:
    """By number of cores: the job's clips a second, how busy they were, and the plain runs."""
    times = rates[2] / rates[1]
    machine_times = mean(plain[2]) / mean(plain[1])
    return {
        "share_of_machine": round(times / machine_times, 3),
        "clips_per_second_1_core": round(rates[1], 2),
        "busy_of_1": round(busy[1], 3),
        "clips_per_second_2_cores": round(rates[2], 2),
        "busy_of_2": round(busy[2], 3),
        "times": round(times, 2),
        "machine_times": round(machine_times, 2),
        "plain_clips_per_second": {cores: round(mean(found), 2) for cores, found in plain.items()},
    }


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


def measure_memory(clips: Sequence[Path], say: Say) -> dict[str, Any]:
    """MiB resident in the process that analyses, after some clips and after many."""
    found = {}
    with Worker() as worker:
        for number in range(1, LAST_CLIP + 1):
            worker.analyse_file(clips[number % len(clips)], f"{number:064x}", Analysis(SAMPLE_RATE))
            if number in (FIRST_CLIPS, LAST_CLIP):
                assert worker.child is not None  # noqa: S101 - for the type checker
                found[number] = psutil.Process(worker.child.pid).memory_info().rss
    first, last = found.values()
    say(f"after {FIRST_CLIPS} and {LAST_CLIP} clips: {first >> 20} and {last >> 20} MiB")
    return {
        f"mib_after_{FIRST_CLIPS}": first >> 20,
        f"mib_after_{LAST_CLIP}": last >> 20,
        "growth": round(last / first - 1, 4),
    }


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
