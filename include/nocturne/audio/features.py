"""The 518 features of a clip, after the recipe that FMA published, with librosa as definition.

The recipe is `compute_features` of features.py in github.com/mdeff/fma: one short-time Fourier
transform and one constant-Q transform, shared by 74 series, each summarised by 7 statistics.
Ours differs where FMA's would be wrong: the sample rate reaches every function (FMA left
librosa's default of 22.05 kHz, which halves the centroids of 44.1 kHz clips).
"""

import os
import tempfile
import warnings
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import librosa
import numpy as np
import numpy.typing as npt
import scipy.stats
from threadpoolctl import threadpool_limits

from nocturne.audio.names import SERIES_PER_FEATURE, STATISTICS
from nocturne.locks import one_at_a_time

Array = npt.NDArray[np.floating]
Doubles = npt.NDArray[np.float64]

FRAME_SAMPLES = 2048
HOP_SAMPLES = 512
OCTAVES = 7
BINS_PER_OCTAVE = 12
CONTRAST_BANDS = 6
MFCC_COUNT = 20
CONSTANT_DEVIATION = 1e-6
"""Deviation below this share of the mean is float32 rounding; scipy draws the line there too."""


def extract(samples: Array, sample_rate: int) -> Doubles:
    """The feature vector of a mono clip, in the order of `names.FEATURE_NAMES`: shape (518,).

    `samples` are finite, at `sample_rate` Hz (16 kHz or more), and last a second or more: see
    `decode`. Every value is finite, and the same samples give the same bytes: matrices are
    multiplied on one thread, because several would add in an order of their own.
    """
    compile_librosa(sample_rate)
    with threadpool_limits(1):
        series = all_series(samples, sample_rate)
    return np.concatenate([summarise(series[feature]).ravel() for feature in SERIES_PER_FEATURE])


@cache
def compile_librosa(sample_rate: int) -> None:
    """Have numba compile, or load, what librosa needs: one process of a machine at a time.

    numba keeps compiled code in files beside librosa. Two processes that compile at once can
    leave files that do not fit together, and every later one that loads them dies. librosa
    imports its parts when they are first used, which is here.
    """
    noise = np.random.default_rng(0).standard_normal(2 * sample_rate).astype(np.float32)
    with one_at_a_time(compile_lock()):
        all_series(noise, sample_rate)


def compile_lock() -> Path:
    """A lock beside the compiled files, or one of this user's where others own those."""
    beside = Path(librosa.__file__).parent
    if os.access(beside, os.W_OK):
        return beside / "nocturne-compile.lock"
    return Path(tempfile.gettempdir()) / f"nocturne-compile-{os.getuid()}.lock"


def all_series(samples: Array, sample_rate: int) -> dict[str, Array]:
    """The 74 series by feature, each of shape (size, frames)."""
    return {
        **harmonic_series(constant_q(samples, sample_rate)),
        **spectral_series(spectrogram(samples), sample_rate),
        "zcr": librosa.feature.zero_crossing_rate(
            samples, frame_length=FRAME_SAMPLES, hop_length=HOP_SAMPLES
        ),
    }


def constant_q(samples: Array, sample_rate: int) -> Array:
    """Magnitudes at 84 semitones from C1, tuned to the clip: shape (84, frames)."""
    with quiet_tuning():
        transform = librosa.cqt(
            samples,
            sr=sample_rate,
            hop_length=HOP_SAMPLES,
            n_bins=OCTAVES * BINS_PER_OCTAVE,
            bins_per_octave=BINS_PER_OCTAVE,
            tuning=None,
        )
    magnitudes: Array = np.abs(transform)
    return magnitudes


def spectrogram(samples: Array) -> Array:
    """Magnitudes of the short-time Fourier transform, Hann window: shape (1025, frames)."""
    magnitudes: Array = np.abs(librosa.stft(samples, n_fft=FRAME_SAMPLES, hop_length=HOP_SAMPLES))
    return magnitudes


def harmonic_series(constant_q_magnitudes: Array) -> dict[str, Array]:
    """The series of the constant-Q transform: two chromas (12, frames) and tonnetz (6, frames)."""
    chroma_cqt = librosa.feature.chroma_cqt(
        C=constant_q_magnitudes, n_octaves=OCTAVES, bins_per_octave=BINS_PER_OCTAVE
    )
    chroma_cens = librosa.feature.chroma_cens(
        C=constant_q_magnitudes, n_octaves=OCTAVES, bins_per_octave=BINS_PER_OCTAVE
    )
    tonnetz = librosa.feature.tonnetz(chroma=chroma_cens)
    return {"chroma_cqt": chroma_cqt, "chroma_cens": chroma_cens, "tonnetz": tonnetz}


def spectral_series(magnitudes: Array, sample_rate: int) -> dict[str, Array]:
    """The series of the Fourier transform, each of shape (size, frames)."""
    power = magnitudes**2
    mel = librosa.feature.melspectrogram(S=power, sr=sample_rate)
    feature = librosa.feature
    with quiet_tuning():
        chroma_stft = feature.chroma_stft(S=power, sr=sample_rate)
    return {
        "chroma_stft": chroma_stft,
        "mfcc": feature.mfcc(S=librosa.power_to_db(mel), n_mfcc=MFCC_COUNT),
        "rmse": feature.rms(S=magnitudes, frame_length=FRAME_SAMPLES),
        "spectral_bandwidth": feature.spectral_bandwidth(S=magnitudes, sr=sample_rate),
        "spectral_centroid": feature.spectral_centroid(S=magnitudes, sr=sample_rate),
        "spectral_contrast": feature.spectral_contrast(
            S=magnitudes, sr=sample_rate, n_bands=CONTRAST_BANDS
        ),
        "spectral_rolloff": feature.spectral_rolloff(S=magnitudes, sr=sample_rate),
    }


def summarise(series: Array) -> Doubles:
    """Seven statistics over time, in the order of `names.STATISTICS`: (size, frames) → (7, size).

    `std` is of the population, `skew` and `kurtosis` (Fisher's) are biased, as scipy's defaults
    are. A series that is constant to float32 precision has no shape: its skew and kurtosis are
    0 here, where scipy says NaN, because JSON, Kafka's and MongoDB's contracts refuse NaN.
    """
    values = series.astype(np.float64)
    mean, deviation = values.mean(axis=1), values.std(axis=1)
    moving = deviation > CONSTANT_DEVIATION * np.abs(mean)
    skew, kurtosis = np.zeros(len(values)), np.zeros(len(values))
    skew[moving] = scipy.stats.skew(values[moving], axis=1)
    kurtosis[moving] = scipy.stats.kurtosis(values[moving], axis=1)
    by_statistic: Mapping[str, Doubles] = {
        "kurtosis": kurtosis,
        "max": values.max(axis=1),
        "mean": mean,
        "median": np.median(values, axis=1),
        "min": values.min(axis=1),
        "skew": skew,
        "std": deviation,
    }
    return np.stack([by_statistic[statistic] for statistic in STATISTICS])


class quiet_tuning(warnings.catch_warnings):  # noqa: N801 - used as a function
    """Silence librosa where a clip has no pitch to tune by: it then assumes A4 = 440 Hz."""

    def __enter__(self) -> None:
        super().__enter__()
        warnings.filterwarnings("ignore", message="Trying to estimate tuning from empty")
