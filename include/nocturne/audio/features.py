"""The 518 features of a clip, after the recipe that FMA published, with librosa as definition.

The recipe is `compute_features` of features.py in github.com/mdeff/fma: one short-time Fourier
transform and one constant-Q transform, shared by 74 series, each summarised by 7 statistics.
Ours differs where FMA's would be wrong: the sample rate reaches every function (FMA left
librosa's default of 22.05 kHz, which halves the centroids of 44.1 kHz clips).

Nothing is computed twice, and librosa itself only makes the filters (`plans`). Every value
equals librosa's but for rounding, which tests and `nocturne bench features` measure.
"""

import os
import tempfile
from functools import cache
from pathlib import Path

import librosa
import numpy as np
import numpy.typing as npt
import scipy.ndimage
from threadpoolctl import ThreadpoolController

from nocturne.audio.constant_q import sum_pitch_classes
from nocturne.audio.names import SERIES_PER_FEATURE
from nocturne.audio.plans import (
    BINS_PER_OCTAVE,
    Doubles,
    Floats,
    Plan,
    chroma_filter,
    constant_q_kernel,
    make_plan,
)
from nocturne.audio.spectrum import Spectrum, analyse, count_frames
from nocturne.audio.spectrum_kernels import TINY, count_crossings
from nocturne.audio.summaries import summarise
from nocturne.audio.tuning import estimate_tuning
from nocturne.locks import one_at_a_time

Array = npt.NDArray[np.floating]

QUANTISING_STEPS = (0.4, 0.2, 0.1, 0.05)
SMOOTHING_FRAMES = 41
FLOOR = 1e-10
DYNAMIC_RANGE_DB = 80.0
ENERGY_SHARES = 0.25


def extract(samples: Array, sample_rate: int) -> Doubles:
    """The feature vector of a mono clip, in the order of `names.FEATURE_NAMES`: shape (518,).

    `samples` are finite, at `sample_rate` Hz (16 kHz or more), and last a second or more: see
    `decode`. Every value is finite, and the same samples give the same bytes: matrices are
    multiplied on one thread, because several would add in an order of their own.
    """
    compile_kernels(sample_rate)
    with find_threadpools().limit(limits=1):
        return describe(np.ascontiguousarray(samples, dtype=np.float32), make_plan(sample_rate))


@cache
def compile_kernels(sample_rate: int) -> None:
    """Have numba compile, or load, what is needed: one process of a machine at a time.

    numba keeps compiled code in files beside the source, librosa's and ours. Two processes that
    compile at once can leave files that do not fit together, and every later one that loads
    them dies. librosa imports its parts when they are first used, which is here.
    """
    noise = np.random.default_rng(0).standard_normal(2 * sample_rate).astype(np.float32)
    with one_at_a_time(compile_lock()):
        describe(noise, make_plan(sample_rate))


def compile_lock() -> Path:
    """A lock beside the compiled files, or one of this user's where others own those."""
    beside = Path(librosa.__file__).parent
    if os.access(beside, os.W_OK):
        return beside / "nocturne-compile.lock"
    return Path(tempfile.gettempdir()) / f"nocturne-compile-{os.getuid()}.lock"


@cache
def find_threadpools() -> ThreadpoolController:
    """The libraries that multiply matrices; looked for once, when all are loaded."""
    return ThreadpoolController()


def describe(samples: Floats, plan: Plan) -> Doubles:
    series = all_series(samples, plan)
    return np.concatenate([summarise(series[feature]).ravel() for feature in SERIES_PER_FEATURE])


def all_series(samples: Floats, plan: Plan) -> dict[str, Array]:
    """The 74 series by feature, each of shape (size, frames)."""
    spectrum = analyse(samples, plan)
    crossings = np.empty((1, count_frames(len(samples))))
    count_crossings(samples, crossings[0])
    kernel = constant_q_kernel(plan.sample_rate, estimate_tuning(spectrum.magnitude_peaks))
    return {
        **harmonic_series(sum_pitch_classes(samples, kernel)),
        **spectral_series(spectrum, plan),
        "zcr": crossings,
    }


def harmonic_series(pitch_classes: Floats) -> dict[str, Array]:
    """The series of the constant-Q transform: two chromas (12, frames) and tonnetz (6, frames)."""
    chroma_cens = smooth_energies(pitch_classes)
    return {
        "chroma_cqt": scale_to_greatest(pitch_classes),
        "chroma_cens": chroma_cens,
        "tonnetz": tonal_centroids() @ scale_to_sum(chroma_cens),
    }


def smooth_energies(pitch_classes: Floats) -> Floats:
    """Chroma energy normalised statistics of Müller and Ewert 2011, as librosa's: (12, frames)."""
    shares = scale_to_sum(pitch_classes)
    steps = np.zeros_like(shares)
    for step in QUANTISING_STEPS:
        steps += np.float32(ENERGY_SHARES) * (shares > step)
    window = librosa.filters.get_window("hann", SMOOTHING_FRAMES + 2, fftbins=False)
    smooth = scipy.ndimage.convolve1d(steps, window / window.sum(), axis=1, mode="constant")
    return divide(smooth, np.sqrt((smooth.astype(np.float64) ** 2).sum(axis=0)))


@cache
def tonal_centroids() -> Doubles:
    """Harte's six coordinates of each pitch class, on circles of fifths and thirds: (6, 12)."""
    scale = np.array([7 / 6, 7 / 6, 3 / 2, 3 / 2, 2 / 3, 2 / 3])
    angles = np.outer(scale, np.arange(BINS_PER_OCTAVE))
    angles[::2] -= 0.5
    radii = np.array([1, 1, 1, 1, 0.5, 0.5])
    centroids: Doubles = radii[:, np.newaxis] * np.cos(np.pi * angles)
    return centroids


def spectral_series(spectrum: Spectrum, plan: Plan) -> dict[str, Array]:
    """The series of the Fourier transform, each of shape (size, frames)."""
    tuning = estimate_tuning(spectrum.power_peaks)
    centroid, bandwidth, rms = spectrum.moments
    by_block = chroma_filter(plan.sample_rate, tuning) @ spectrum.power
    chroma = np.concatenate(list(by_block), axis=1)[:, : len(centroid)]
    return {
        "chroma_stft": scale_to_greatest(chroma),
        "mfcc": plan.cosines @ to_decibels(spectrum.mels),
        "rmse": rms[np.newaxis],
        "spectral_bandwidth": bandwidth[np.newaxis],
        "spectral_centroid": centroid[np.newaxis],
        "spectral_contrast": to_decibels(spectrum.loudest) - to_decibels(spectrum.quietest),
        "spectral_rolloff": spectrum.rolloff[np.newaxis],
    }


def to_decibels(power: Array) -> Array:
    """Decibels of the whole, no more than 80 below its greatest."""
    decibels: Array = 10.0 * np.log10(np.maximum(power, FLOOR))
    limited: Array = np.maximum(decibels, decibels.max() - DYNAMIC_RANGE_DB)
    return limited


def scale_to_greatest(series: Floats) -> Floats:
    """Each frame over its greatest value: (size, frames)."""
    return divide(series, series.max(axis=0).astype(np.float64))


def scale_to_sum(series: Floats) -> Floats:
    """Each frame over its sum; no value is negative: (size, frames)."""
    return divide(series, series.sum(axis=0, dtype=np.float64))


def divide(series: Floats, lengths: Doubles) -> Floats:
    """Each frame over its length, unless that is smaller than any normal float32."""
    divided: Floats = (series / np.where(lengths < TINY, 1.0, lengths)).astype(np.float32)
    return divided


if __name__ == "__main__":
    compile_kernels(22050)
