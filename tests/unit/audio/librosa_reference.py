"""The 518 columns by plain calls of librosa and scipy: what ours are held against."""

import warnings

import librosa
import numpy as np
import scipy.stats

from nocturne.audio.names import FEATURE_NAMES

PEERS = {
    "mean": np.mean,
    "std": np.std,
    "skew": scipy.stats.skew,
    "kurtosis": scipy.stats.kurtosis,
    "median": np.median,
    "min": np.min,
    "max": np.max,
}
TOLERANCE = 1e-3
CLOSE = 1e-4
DECIBELS = ("mfcc", "spectral_contrast")


def call_librosa(y: np.ndarray, sr: int) -> dict[str, np.ndarray]:
    """Every feature by a call of its own on the waveform, as the name of the column says."""
    feature = librosa.feature
    cens = feature.chroma_cens(y=y, sr=sr, bins_per_octave=12)
    return {
        "chroma_stft": feature.chroma_stft(y=y, sr=sr),
        "chroma_cqt": feature.chroma_cqt(y=y, sr=sr, bins_per_octave=12),
        "chroma_cens": cens,
        "tonnetz": feature.tonnetz(chroma=cens),
        "mfcc": feature.mfcc(y=y, sr=sr, n_mfcc=20),
        "rmse": feature.rms(S=librosa.magphase(librosa.stft(y))[0]),
        "zcr": feature.zero_crossing_rate(y),
        "spectral_centroid": feature.spectral_centroid(y=y, sr=sr),
        "spectral_bandwidth": feature.spectral_bandwidth(y=y, sr=sr),
        "spectral_contrast": feature.spectral_contrast(y=y, sr=sr),
        "spectral_rolloff": feature.spectral_rolloff(y=y, sr=sr),
    }


def expected_columns(series: dict[str, np.ndarray]) -> dict[str, float]:
    """By name. Skew and kurtosis of a constant series, NaN to scipy, are 0 by our definition."""
    return {
        f"{feature}.{statistic}.{number:02d}": float(np.nan_to_num(peer(row.astype(np.float64))))
        for feature, rows in series.items()
        for statistic, peer in PEERS.items()
        for number, row in enumerate(rows, start=1)
    }


def shapeless_columns(series: dict[str, np.ndarray]) -> set[str]:
    """Skew and kurtosis of series that move by float32 rounding only: chance, in librosa too.

    Rounding is relative to a feature's greatest value, and of decibels to 1 dB at least.
    """
    return {
        f"{feature}.{statistic}.{number:02d}"
        for feature, rows in series.items()
        for number, row in enumerate(rows, start=1)
        for statistic in ("skew", "kurtosis")
        if np.std(row, dtype=np.float64) <= 1e-6 * max(np.abs(rows).max(), feature in DECIBELS)
    }


def measure_errors(measured: np.ndarray, y: np.ndarray, sr: int) -> dict[str, float]:
    """|ours - librosa| / max(1, |librosa|) of every column with a meaning, the greatest first."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # silence has no pitch, constants have no skew
        series = call_librosa(y, sr)
        expected = expected_columns(series)
    assert set(expected) == set(FEATURE_NAMES)
    ours = dict(zip(FEATURE_NAMES, measured, strict=True))
    errors = {
        name: abs(ours[name] - expected[name]) / max(1, abs(expected[name]))
        for name in expected.keys() - shapeless_columns(series)
    }
    return dict(sorted(errors.items(), key=lambda error: -error[1]))
