"""One Fourier transform of a clip, and everything that is read from it while it is in cache.

Transformed in float64 as librosa does, because contrast asks how quiet the quietest bins are,
and float32 would answer with its own rounding.
"""

from dataclasses import dataclass

import numpy as np

from nocturne.audio.fourier import (
    FFT_BINS,
    HOP_SAMPLES,
    LANES,
    Transformer,
)
from nocturne.audio.plans import MEL_BANDS, Doubles, Floats, Plan
from nocturne.audio.spectrum_kernels import (
    find_peaks,
    find_rolloff,
    measure_contrast,
    measure_moments,
    square,
    sum_mels,
)


@dataclass(frozen=True)
class Spectrum:
    """What one pass over the frames of a clip leaves."""

    power: Floats
    """Squared magnitudes, LANES frames after LANES frames: (blocks, 1025, LANES)."""
    moments: Doubles
    """Centroid and bandwidth in Hz, and root mean square: (3, frames)."""
    rolloff: Doubles
    """Hz: (frames,)."""
    loudest: Doubles
    """Means of the loudest bins of each contrast band: (7, frames)."""
    quietest: Doubles
    """Means of the quietest: (7, frames)."""
    mels: Floats
    """Energies of the mel bands: (128, frames)."""
    magnitude_peaks: Floats
    """Frequencies in Hz and heights of the peaks of all frames: (2, peaks)."""
    power_peaks: Floats
    """The same of the squares."""


def count_frames(samples: int) -> int:
    """Centred frames of a clip, the first around its first sample."""
    return 1 + samples // HOP_SAMPLES


def analyse(samples: Floats, plan: Plan) -> Spectrum:
    """Transform a clip, (samples,) of float32, LANES frames at a time."""
    frames = count_frames(len(samples))
    room, bands = -(-frames // LANES) * LANES, len(plan.contrast_spans)
    power = np.empty((room // LANES, FFT_BINS, LANES), np.float32)
    mels = np.empty((MEL_BANDS, room), np.float32)
    moments, rolloff = np.empty((3, room)), np.empty(room)
    loudest, quietest = np.empty((bands, room)), np.empty((bands, room))
    transformer = Transformer(samples, frames, plan.window)
    magnitude_peaks, power_peaks = PeakCollector(plan), PeakCollector(plan)
    lanes = np.empty((FFT_BINS, LANES), np.float32)
    for first, squares in zip(range(0, frames, LANES), power, strict=True):
        here = slice(first, first + LANES)
        np.abs(transformer.transform(first), out=lanes)
        square(lanes, squares)
        measure_moments(lanes, plan.frequencies, moments[:, here])
        find_rolloff(lanes, plan.frequencies, rolloff[here])
        measure_contrast(lanes, plan.contrast_spans, loudest[:, here], quietest[:, here])
        sum_mels(squares, plan.mel_spans, plan.mel_weights, mels[:, here])
        magnitude_peaks.collect(lanes, frames - first)
        power_peaks.collect(squares, frames - first)
    return Spectrum(
        power, moments[:, :frames], rolloff[:frames], loudest[:, :frames],
        quietest[:, :frames], mels[:, :frames], magnitude_peaks.join(), power_peaks.join(),
    )  # fmt: skip


class PeakCollector:
    """The peaks of block after block of frames."""

    def __init__(self, plan: Plan) -> None:
        self.first, self.end = plan.pitch_span
        self.sample_rate = float(plan.sample_rate)
        self.room = np.empty((2, (self.end - self.first) * LANES), np.float32)
        self.found: list[Floats] = []

    def collect(self, lanes: Floats, frames_left: int) -> None:
        frames = min(LANES, frames_left)
        count = find_peaks(lanes, frames, self.first, self.end, self.sample_rate, self.room)
        self.found.append(self.room[:, :count].copy())

    def join(self) -> Floats:
        return np.concatenate(self.found, axis=1)
