"""The features of single files, by name."""

import math
from pathlib import Path
from typing import Any

from nocturne.audio.analyse import analyse_file
from nocturne.audio.names import FEATURE_NAMES, feature_set


def describe_files(files: list[Path], sample_rate: int) -> list[dict[str, Any]]:
    """For each file its features by name, or the rule and reason that refused it."""
    return [describe_file(file, sample_rate) for file in files]


def describe_file(file: Path, sample_rate: int) -> dict[str, Any]:
    record = analyse_file(file, "", sample_rate)
    if record.features is None:
        return {"file": str(file), "rule": record.rule, "reason": record.reason}
    return {
        "file": str(file),
        "feature_set": feature_set(sample_rate),
        "duration_seconds": round(record.duration_seconds or math.nan, 3),
        "features": dict(zip(FEATURE_NAMES, record.features, strict=True)),
    }
