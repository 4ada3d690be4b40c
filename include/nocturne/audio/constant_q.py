"""The constant-Q transform of a clip, summed into twelve pitch classes as it is computed."""

import numpy as np
import soxr
from numba import njit
from numpy.lib.stride_tricks import sliding_window_view

from nocturne.audio.fourier import HOP_SAMPLES
from nocturne.audio.plans import (
    BINS_PER_OCTAVE,
    OCTAVES,
    ConstantQKernel,
    Doubles,
    Floats,
)

BLOCK_FRAMES = 128
"""As many as stay in the processor's cache between being copied and being multiplied."""


def sum_pitch_classes(samples: Floats, kernel: ConstantQKernel) -> Floats:
    """Magnitudes of 84 semitones from C1, added over the octaves: (12, frames).

    From the highest octave down, each from the signal at half the rate of the one before, as
    `librosa.cqt` does. Multiplied in float64: a bass that is 60 dB louder than the rest, or a
    constant offset, would otherwise leave its rounding in the octaves above.
    """
    signals = halve_repeatedly(samples, kernel.halvings)
    hops = [HOP_SAMPLES >> (kernel.halvings + octave) for octave in range(OCTAVES)]
    frames = min(1 + len(signal) // hop for signal, hop in zip(signals, hops, strict=True))
    sums = np.zeros((frames, BINS_PER_OCTAVE), np.float32)
    room = np.empty((BLOCK_FRAMES, len(kernel.waves)))
    for signal, hop in zip(signals, hops, strict=True):
        parts = view_frames(signal, len(kernel.waves), hop)
        for first in range(0, frames, BLOCK_FRAMES):
            some = sums[first : first + BLOCK_FRAMES]
            block = room[: len(some)]
            block[:] = parts[first : first + len(some)]
            add_magnitudes(block @ kernel.waves, some)
    return np.ascontiguousarray(sums.T)


def halve_repeatedly(samples: Floats, early: int) -> list[Floats]:
    """A signal for each octave, the first at a rate `early` times halved in one step."""
    signals = [resample_down(samples, 2**early) if early else samples]
    for _ in range(OCTAVES - 1):
        signals.append(resample_down(signals[-1], 2))
    return signals


def resample_down(samples: Floats, factor: int) -> Floats:
    """Every `factor`-th sample after soxr's high-quality filter, of the same energy.

    As `librosa.resample(scale=True)` to the last bit, and scaled at each step: in silence after
    loud music all that is left is soxr's rounding, and twelve classes are made of it too.
    """
    wanted = -(-len(samples) // factor)
    resampled: Floats = soxr.resample(samples, factor, 1, quality="soxr_hq")[:wanted]
    resampled /= np.sqrt(1 / factor)
    return np.pad(resampled, (0, wanted - len(resampled)))


def view_frames(signal: Floats, size: int, hop: int) -> Floats:
    """Frames centred on every `hop`-th sample, silence beyond the ends: (frames, size)."""
    return sliding_window_view(np.pad(signal, size // 2), size)[::hop]


@njit(cache=True, nogil=True)
def add_magnitudes(products: Doubles, sums: Floats) -> None:
    """Add the magnitudes of one octave: `products` holds 12 real parts, then 12 imaginary."""
    classes = sums.shape[1]
    for frame in range(sums.shape[0]):
        row = products[frame]
        for place in range(classes):
            real, imaginary = row[place], row[classes + place]
            sums[frame, place] += np.sqrt(real * real + imaginary * imaginary)
