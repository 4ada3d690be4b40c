"""What depends on the sample rate or on a tuning alone: computed once by librosa, then kept.

Every filter here is librosa's own, only laid out anew: a mel filter without its zeros, and the
sparse Fourier basis of the constant-Q transform as the time signal that it stands for.
"""

from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import librosa
import numpy as np
import numpy.typing as npt

from nocturne.audio.fourier import FRAME_SAMPLES, HOP_SAMPLES

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

OCTAVES = 7
BINS_PER_OCTAVE = 12
CONTRAST_BANDS = 6
CONTRAST_LOWEST_HZ = 200.0
CONTRAST_QUANTILE = 0.02
MEL_BANDS = 128
MFCC_COUNT = 20
PITCH_RANGE_HZ = (150.0, 4000.0)
TUNINGS: Doubles = np.linspace(-0.5, 0.5, 101)
"""Edges of the bins that librosa counts pitches in, in semitones: 100 possible tunings."""
SPARSITY = 0.01
WIDTH_OF_A_SEMITONE = (2 ** (2 / BINS_PER_OCTAVE) - 1) / (2 ** (2 / BINS_PER_OCTAVE) + 1)


@dataclass(frozen=True)
class Plan:
    """Windows and filters of one sample rate, in Hz."""

    sample_rate: int
    frequencies: Doubles
    """Of each bin of the Fourier transform: (1025,)."""
    window: Doubles
    """Hann, periodic: (2048,)."""
    mel_spans: Indices
    """First bin, end, and place of the first weight of each mel filter: (128, 3)."""
    mel_weights: Floats
    contrast_spans: Indices
    """First bin, end, and how many bins are peak and valley of each band: (7, 3)."""
    pitch_span: tuple[int, int]
    """First bin and end of where pitches are looked for."""
    cosines: Floats
    """The discrete cosine transform that makes 20 coefficients of 128 mels: (20, 128)."""


@dataclass(frozen=True)
class ConstantQKernel:
    """One octave of filters; all octaves are alike after halving the rate."""

    halvings: int
    """How often the rate is halved, in one step, before the first octave."""
    waves: Doubles
    """Real parts, then imaginary parts, as time signals: (samples, 24)."""


@cache
def make_plan(sample_rate: int) -> Plan:
    frequencies = librosa.fft_frequencies(sr=sample_rate, n_fft=FRAME_SAMPLES)
    mel_spans, mel_weights = make_mel_filters(sample_rate)
    lowest, highest = PITCH_RANGE_HZ
    return Plan(
        sample_rate=sample_rate,
        frequencies=frequencies,
        window=librosa.filters.get_window("hann", FRAME_SAMPLES, fftbins=True),
        mel_spans=mel_spans,
        mel_weights=mel_weights,
        contrast_spans=make_contrast_spans(frequencies),
        pitch_span=(int((frequencies < lowest).sum()), int((frequencies < highest).sum())),
        cosines=make_cosines(),
    )


def make_mel_filters(sample_rate: int) -> tuple[Indices, Floats]:
    """`Plan.mel_spans` and `Plan.mel_weights`: librosa's triangles, Slaney's scale and norm."""
    filters = librosa.filters.mel(sr=sample_rate, n_fft=FRAME_SAMPLES, n_mels=MEL_BANDS)
    spans = np.zeros((MEL_BANDS, 3), np.int64)
    weights = []
    place = 0
    for number, row in enumerate(filters):
        used = np.flatnonzero(row)
        first, end = (int(used[0]), int(used[-1]) + 1) if len(used) else (0, 0)
        spans[number] = first, end, place
        weights.append(row[first:end])
        place += end - first
    return spans, np.concatenate(weights).astype(np.float32)


def make_contrast_spans(frequencies: Doubles) -> Indices:
    """`Plan.contrast_spans`, by the rules of `librosa.feature.spectral_contrast`.

    A band begins one bin below its first frequency and, but for the last, loses its last bin;
    its 2 % are counted before that.
    """
    edges = np.r_[0.0, CONTRAST_LOWEST_HZ * 2.0 ** np.arange(CONTRAST_BANDS + 1)]
    spans = np.zeros((CONTRAST_BANDS + 1, 3), np.int64)
    for band, (low, high) in enumerate(pairwise(edges)):
        inside = np.flatnonzero((frequencies >= low) & (frequencies <= high))
        last = band == CONTRAST_BANDS
        first = inside[0] - (band > 0)
        end = len(frequencies) if last else inside[-1] + 1
        count = max(1, int(np.rint(CONTRAST_QUANTILE * (end - first))))
        spans[band] = first, end - (not last), count
    return spans


def make_cosines() -> Floats:
    """The orthonormal DCT-II as `librosa.feature.mfcc` applies it: (20, 128)."""
    angles = np.outer(np.arange(MFCC_COUNT), np.arange(MEL_BANDS) + 0.5) * np.pi / MEL_BANDS
    cosines = np.cos(angles) * np.sqrt(2 / MEL_BANDS)
    cosines[0] /= np.sqrt(2)
    rounded: Floats = cosines.astype(np.float32)
    return rounded


@cache
def chroma_filter(sample_rate: int, tuning: int) -> Floats:
    """`librosa.filters.chroma` for a place in TUNINGS: (12, 1025)."""
    filters: Floats = librosa.filters.chroma(
        sr=sample_rate, n_fft=FRAME_SAMPLES, tuning=TUNINGS[tuning], n_chroma=BINS_PER_OCTAVE
    )
    return filters


@cache
def constant_q_kernel(sample_rate: int, tuning: int) -> ConstantQKernel:
    """The filters of `librosa.cqt` for a place in TUNINGS, 84 bins from C1.

    librosa multiplies the Fourier transform of a frame by a basis freed of its smallest 1 %.
    Both are linear: the transform of the basis is what the frame itself is multiplied by. The
    next octave's filters are the same at half the rate, but for factors that cancel: √2 because
    of the rate, and 1/√2 because they are divided by the root of their length.
    """
    frequencies = semitones(TUNINGS[tuning])
    halvings = count_early_halvings(frequencies, sample_rate)
    options: dict[str, Any] = {
        "freqs": frequencies[-BINS_PER_OCTAVE:],
        "sr": sample_rate / 2**halvings,
        "window": "hann",
        "filter_scale": 1,
        "gamma": 0,
        "alpha": np.full(BINS_PER_OCTAVE, WIDTH_OF_A_SEMITONE),
    }
    basis, lengths = librosa.filters.wavelet(**options, norm=1, pad_fft=True)
    size = basis.shape[1]
    basis *= lengths[:, np.newaxis] / float(size)
    transform = librosa.get_fftlib().fft(basis, n=size, axis=1)[:, : size // 2 + 1]
    sparse = librosa.util.sparsify_rows(transform, quantile=SPARSITY, dtype=np.complex64)
    waves = np.fft.fft(sparse.toarray().astype(np.complex128), n=size, axis=1)
    waves /= np.sqrt(lengths)[:, np.newaxis]
    stacked = np.concatenate([waves.real, waves.imag]).T
    return ConstantQKernel(halvings, np.ascontiguousarray(stacked))


def semitones(tuning: float) -> Doubles:
    """Frequencies of the constant-Q bins in Hz, tuned by `tuning` semitones: (84,)."""
    lowest = librosa.note_to_hz("C1") * 2.0 ** (tuning / BINS_PER_OCTAVE)
    frequencies: Doubles = librosa.interval_frequencies(
        n_bins=OCTAVES * BINS_PER_OCTAVE,
        fmin=lowest,
        intervals="equal",
        bins_per_octave=BINS_PER_OCTAVE,
        sort=True,
    )
    return frequencies


def count_early_halvings(frequencies: Doubles, sample_rate: int) -> int:
    """How often librosa halves the rate before the highest octave: it keeps an octave of room."""
    _, cutoff = librosa.filters.wavelet_lengths(freqs=frequencies, sr=sample_rate, window="hann")
    by_rate = max(0, int(np.ceil(np.log2(sample_rate / 2 / cutoff)) - 1) - 1)
    twos_in_hop = HOP_SAMPLES.bit_length() - 1
    return min(by_rate, max(0, twos_in_hop - OCTAVES + 1))
