"""The features of single files, by name."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nocturne.audio.names import FEATURE_NAMES, Analysis, feature_set, parse_sample_rate
from nocturne.audio.worker import Worker
from nocturne.settings import Settings


def choose_analysis(
    settings: Settings, sample_rate: str | None, excerpt_seconds: float | None
) -> Analysis:
    """The settings' analysis, but for what is given. Raises Misuse if that cannot be."""
    analysis = Analysis(
        settings.sample_rate if sample_rate is None else parse_sample_rate(sample_rate),
        settings.excerpt_seconds if excerpt_seconds is None else excerpt_seconds,
    )
    feature_set(*analysis)
    return analysis


def describe_files(files: list[Path], analysis: Analysis) -> Iterator[dict[str, Any]]:
    """For each file its features by name, or the rule and reason that refused it."""
    with Worker() as worker:
        for file in files:
            yield describe_file(worker, file, analysis)


def describe_file(worker: Worker, file: Path, analysis: Analysis) -> dict[str, Any]:
    record = worker.analyse_file(file, "", analysis)
    if record.features is None:
        return {"file": str(file), "rule": record.rule, "reason": record.reason}
    return {
        "file": str(file),
        "feature_set": feature_set(*analysis),
        "duration_seconds": round(record.duration_seconds or math.nan, 3),
        "features": dict(zip(FEATURE_NAMES, record.features, strict=True)),
    }
