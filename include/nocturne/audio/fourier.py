"""A Fourier transform of many frames at once, in float64, compiled by numba.

Frames lie side by side in LANES columns, so that one instruction of the processor serves several
of them; libraries that transform a frame at a time reach a third of that. Stockham's algorithm in
radix 4 (Cochran et al. 1967): 2048 real samples are transformed as 1024 complex ones.
"""

import numpy as np
import numpy.typing as npt
from numba import njit

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Complexes = npt.NDArray[np.complex64]

LANES = 32
FRAME_SAMPLES = 2048
HOP_SAMPLES = 512
FFT_BINS = FRAME_SAMPLES // 2 + 1
POINTS = FRAME_SAMPLES // 2
OVERLAP = FRAME_SAMPLES // HOP_SAMPLES - 1
PARTS = POINTS * LANES
"""Buffers hold all real parts, then all imaginary ones, point by point."""
ANGLES = 2 * np.pi * np.arange(FRAME_SAMPLES) / FRAME_SAMPLES
TWIDDLES: Doubles = np.stack([np.cos(ANGLES), -np.sin(ANGLES)])


def cut_hops(samples: Floats, frames: int) -> Floats:
    """A clip in rows of a hop, from half a frame before its start on: (hops, 512).

    Silence fills what frames reach beyond the ends, and the last block's missing frames.
    """
    hops = frames + LANES + OVERLAP
    padded = np.zeros(hops * HOP_SAMPLES, np.float32)
    padded[FRAME_SAMPLES // 2 :][: len(samples)] = samples
    return padded.reshape(hops, HOP_SAMPLES)


@njit(nogil=True, inline="always")
def mix_quarters(points, stride, source, target, twiddles):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """One pass: `points` and `stride` are constants of the caller, so that it is vectorised."""
    length = stride * LANES
    quarter = points // 4 * length
    turn = FRAME_SAMPLES // points
    for step in range(points // 4):
        real1, imag1 = twiddles[0, step * turn], twiddles[1, step * turn]
        real2, imag2 = twiddles[0, 2 * step * turn], twiddles[1, 2 * step * turn]
        real3, imag3 = twiddles[0, 3 * step * turn], twiddles[1, 3 * step * turn]
        begin = step * length
        end = 4 * begin
        for place in range(length):
            a = begin + place
            b, c, d = a + quarter, a + 2 * quarter, a + 3 * quarter
            sum_ac, less_ac = source[a] + source[c], source[a] - source[c]
            sum_bd, less_bd = source[b] + source[d], source[b] - source[d]
            isum_ac = source[PARTS + a] + source[PARTS + c]
            iless_ac = source[PARTS + a] - source[PARTS + c]
            isum_bd = source[PARTS + b] + source[PARTS + d]
            iless_bd = source[PARTS + b] - source[PARTS + d]
            real, imag = less_ac + iless_bd, iless_ac - less_bd
            to = end + place
            target[to] = sum_ac + sum_bd
            target[PARTS + to] = isum_ac + isum_bd
            target[length + to] = real * real1 - imag * imag1
            target[PARTS + length + to] = real * imag1 + imag * real1
            real, imag = sum_ac - sum_bd, isum_ac - isum_bd
            target[2 * length + to] = real * real2 - imag * imag2
            target[PARTS + 2 * length + to] = real * imag2 + imag * real2
            real, imag = less_ac - iless_bd, iless_ac + less_bd
            target[3 * length + to] = real * real3 - imag * imag3
            target[PARTS + 3 * length + to] = real * imag3 + imag * real3


@njit(cache=True, nogil=True)
def turn_hops(hops: Floats, first: int, turned: Floats) -> None:
    """Transpose the hops of LANES frames, a cache line's 16 columns at a time: (512, hops)."""
    for begin in range(0, HOP_SAMPLES, 16):
        for number in range(LANES + OVERLAP):
            row = hops[first + number]
            for place in range(begin, begin + 16):
                turned[place, number] = row[place]


@njit(cache=True, nogil=True)
def window_frames(turned: Floats, window: Doubles, out: Doubles) -> None:
    """LANES frames times the window: even samples are real parts, odd ones imaginary."""
    for point in range(POINTS):
        hop, rest = divmod(2 * point, HOP_SAMPLES)
        even, odd = turned[rest], turned[rest + 1]
        gain, next_gain = window[2 * point], window[2 * point + 1]
        begin = point * LANES
        for lane in range(LANES):
            out[begin + lane] = gain * even[hop + lane]
        for lane in range(LANES):
            out[PARTS + begin + lane] = next_gain * odd[hop + lane]


@njit(cache=True, nogil=True)
def mix_all(one: Doubles, other: Doubles, twiddles: Doubles) -> None:
    """The complex transform of what lies in `one`, which ends in `other`."""
    mix_quarters(1024, 1, one, other, twiddles)
    mix_quarters(256, 4, other, one, twiddles)
    mix_quarters(64, 16, one, other, twiddles)
    mix_quarters(16, 64, other, one, twiddles)
    mix_quarters(4, 256, one, other, twiddles)


@njit(cache=True, nogil=True)
def separate(points: Doubles, twiddles: Doubles, out: Complexes) -> None:
    """The transform of real samples from that of their halves as complex ones: (1025, LANES)."""
    for bin_ in range(FFT_BINS):
        here = bin_ % POINTS * LANES
        there = (POINTS - bin_) % POINTS * LANES
        cosine, sine = twiddles[0, bin_], twiddles[1, bin_]
        if bin_ == POINTS:
            cosine, sine = -1.0, 0.0
        row = out[bin_]
        for lane in range(LANES):
            a, b = points[here + lane], points[there + lane]
            c, d = points[PARTS + here + lane], points[PARTS + there + lane]
            real, imag = (c + d) * 0.5, (b - a) * 0.5
            row[lane] = complex(
                (a + b) * 0.5 + real * cosine - imag * sine,
                (c - d) * 0.5 + real * sine + imag * cosine,
            )


class Transformer:
    """Transforms LANES frames at a time, in room that it keeps."""

    def __init__(self, samples: Floats, frames: int, window: Doubles) -> None:
        self.hops = cut_hops(samples, frames)
        self.window = window
        self.turned = np.empty((HOP_SAMPLES, LANES + OVERLAP), np.float32)
        self.room = np.empty((2, 2 * PARTS))
        self.transformed = np.empty((FFT_BINS, LANES), np.complex64)

    def transform(self, first: int) -> Complexes:
        """Frames from the number `first` on; the next call overwrites them: (1025, LANES)."""
        turn_hops(self.hops, first, self.turned)
        window_frames(self.turned, self.window, self.room[0])
        mix_all(self.room[0], self.room[1], TWIDDLES)
        separate(self.room[1], TWIDDLES, self.transformed)
        return self.transformed
