"""The 518 features as others compute them: what our extractor is measured beside."""

import warnings
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import numpy.typing as npt
import scipy.stats

from nocturne.audio.names import SERIES_PER_FEATURE, STATISTICS

Array = npt.NDArray[np.floating]
Series = Mapping[str, Array]
OCTAVES, BINS_PER_OCTAVE = 7, 12


def naive_series(y: Array, sr: int) -> Series:
    """Every feature by a call of its own on the waveform, as tutorials do."""
    feature = librosa.feature
    options: dict[str, Any] = {"y": y, "sr": sr}
    return {
        "chroma_cens": feature.chroma_cens(**options, bins_per_octave=BINS_PER_OCTAVE),
        "chroma_cqt": feature.chroma_cqt(**options, bins_per_octave=BINS_PER_OCTAVE),
        "chroma_stft": feature.chroma_stft(**options),
        "mfcc": feature.mfcc(**options, n_mfcc=20),
        "rmse": feature.rms(y=y),
        "spectral_bandwidth": feature.spectral_bandwidth(**options),
        "spectral_centroid": feature.spectral_centroid(**options),
        "spectral_contrast": feature.spectral_contrast(**options),
        "spectral_rolloff": feature.spectral_rolloff(**options),
        "tonnetz": feature.tonnetz(
            chroma=feature.chroma_cens(**options, bins_per_octave=BINS_PER_OCTAVE)
        ),
        "zcr": feature.zero_crossing_rate(y),
    }


def shared_series(y: Array, sr: int) -> Series:
    """FMA's published recipe (`compute_features` of its features.py): one STFT and one CQT.

    The definition of our features. Only the sample rate reaches every function here, where FMA
    left librosa's default to some.
    """
    feature = librosa.feature
    bins = OCTAVES * BINS_PER_OCTAVE
    cqt = np.abs(
        librosa.cqt(
            y, sr=sr, hop_length=512, n_bins=bins, bins_per_octave=BINS_PER_OCTAVE, tuning=None
        )
    )
    stft = np.abs(librosa.stft(y, n_fft=2048, hop_length=512))
    power = stft**2
    mel = feature.melspectrogram(S=power, sr=sr)
    octaves: dict[str, Any] = {"n_octaves": OCTAVES, "bins_per_octave": BINS_PER_OCTAVE}
    cens = feature.chroma_cens(C=cqt, **octaves)
    return {
        "chroma_cens": cens,
        "chroma_cqt": feature.chroma_cqt(C=cqt, **octaves),
        "chroma_stft": feature.chroma_stft(S=power, sr=sr),
        "mfcc": feature.mfcc(S=librosa.power_to_db(mel), n_mfcc=20),
        "rmse": feature.rms(S=stft),
        "spectral_bandwidth": feature.spectral_bandwidth(S=stft, sr=sr),
        "spectral_centroid": feature.spectral_centroid(S=stft, sr=sr),
        "spectral_contrast": feature.spectral_contrast(S=stft, sr=sr, n_bands=6),
        "spectral_rolloff": feature.spectral_rolloff(S=stft, sr=sr),
        "tonnetz": feature.tonnetz(chroma=cens),
        "zcr": feature.zero_crossing_rate(y, frame_length=2048, hop_length=512),
    }


def summarise_plainly(series: Series) -> npt.NDArray[np.float64]:
    """Seven statistics of each series by numpy and scipy, in the order of the feature store."""
    peers: Mapping[str, Callable[..., Any]] = {
        "kurtosis": scipy.stats.kurtosis,
        "max": np.max,
        "mean": np.mean,
        "median": np.median,
        "min": np.min,
        "skew": scipy.stats.skew,
        "std": np.std,
    }
    values = {name: rows.astype(np.float64) for name, rows in series.items()}
    columns = [
        np.atleast_1d(peers[statistic](values[name], axis=1))
        for name in SERIES_PER_FEATURE
        for statistic in STATISTICS
    ]
    return np.concatenate(columns)


def load_clip(file: Path, sample_rate: int | None) -> tuple[Array, int]:
    """As tutorials load a clip; the rate is the file's own if none is given."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        samples, rate = librosa.load(file, sr=sample_rate)
    return samples, int(rate)


def find_essentia() -> Any:
    """Essentia's module of extractors, or None where its wheel is not installed."""
    try:
        essentia, extractors = map(import_module, ("essentia", "essentia.standard"))
    except ImportError:
        return None
    essentia.log.infoActive = essentia.log.warningActive = False
    return extractors
