"""One audio file to one record of the feature store."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from nocturne.audio.decode import decode
from nocturne.audio.features import extract
from nocturne.audio.rules import Rule, UnusableAudio
from nocturne.audio.store import FeatureRecord


def analyse_file(path: Path, audio_sha256: str, sample_rate: int) -> FeatureRecord:
    """The features of a file, or the rule and reason of its refusal; a bad file never raises."""
    try:
        samples = decode(path, sample_rate)
        features = require_finite(extract(samples, sample_rate))
    except UnusableAudio as unusable:
        return FeatureRecord(audio_sha256, None, unusable.rule.value, unusable.reason, None)
    return FeatureRecord(audio_sha256, features.tolist(), None, None, len(samples) / sample_rate)


def require_finite(features: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Raise UnusableAudio rather than let one NaN break the contract of every consumer."""
    if not np.isfinite(features).all():
        raise UnusableAudio(Rule.NOT_FINITE, "Some features are infinite or not a number.")
    return features
