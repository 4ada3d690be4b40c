"""One audio file to one record of the feature store."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from nocturne.audio.decode import decode
from nocturne.audio.features import extract
from nocturne.audio.names import Analysis
from nocturne.audio.rules import Rule, UnusableAudio
from nocturne.audio.store import FeatureRecord


def analyse_file(path: Path, audio_sha256: str, analysis: Analysis) -> FeatureRecord:
    """The features of a file, or the rule and reason of its refusal.

    A bad file never raises; one that kills or stops its decoder wants a `worker.Worker` around it.
    """
    try:
        clip = decode(path, analysis)
        features = require_finite(extract(clip.samples, clip.sample_rate))
    except UnusableAudio as unusable:
        return FeatureRecord.refused(audio_sha256, unusable.rule, unusable.reason)
    except MemoryError:
        return FeatureRecord.refused(
            audio_sha256, Rule.TOO_LARGE_IN_MEMORY, "Its analysis needs more memory than there is."
        )
    except Exception as error:  # noqa: BLE001 - whatever a decoder makes of bad bytes is a row
        return FeatureRecord.refused(
            audio_sha256, Rule.DECODER_FAILED, f"{type(error).__name__}: {error}"
        )
    return FeatureRecord(audio_sha256, features.tolist(), None, None, clip.seconds)


def require_finite(features: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Raise UnusableAudio rather than let one NaN break the contract of every consumer."""
    if not np.isfinite(features).all():
        raise UnusableAudio(Rule.NOT_FINITE, "Some features are infinite or not a number.")
    return features


def warm_up() -> None:
    """Have everything loaded and compiled before the first file, whose time is limited."""
    extract(np.random.default_rng(0).standard_normal(2 * 22050).astype(np.float32), 22050)
