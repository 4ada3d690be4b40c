"""The inner loops over the Fourier transform, compiled by numba when they are first called.

LANES frames lie side by side, one row for each bin, so that the processor does 8 or 16 frames at
once, and still adds each frame's bins one by one, in the order in which librosa adds them. No
sum may be reordered: where librosa compares sums, as rolloff does, rounding decides.
"""

import numpy as np
import numpy.typing as npt
from numba import njit

from nocturne.audio.fourier import FRAME_SAMPLES, HOP_SAMPLES, LANES

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

TINY = np.finfo(np.float32).tiny
"""librosa divides no frame by a sum that is smaller."""
ROLLOFF_SHARE = np.float32(0.85)
PEAK_SHARE = np.float32(0.1)
HALF = np.float32(0.5)
SOUNDLESS = np.float32(1e-10)


@njit(cache=True, nogil=True)
def square(lanes: Floats, power: Floats) -> None:
    """Magnitudes to their squares."""
    for place in range(lanes.shape[0]):
        for lane in range(LANES):
            power[place, lane] = lanes[place, lane] * lanes[place, lane]


@njit(cache=True, nogil=True)
def measure_moments(lanes: Floats, frequencies: Doubles, out: Doubles) -> None:
    """Rows of `out`, (3, LANES): centroid and bandwidth in Hz, root mean square."""
    total = np.zeros(LANES)
    moment = np.zeros(LANES)
    energy = np.zeros(LANES)
    last = lanes.shape[0] - 1
    for place in range(lanes.shape[0]):
        frequency = frequencies[place]
        share = 0.5 if place in (0, last) else 1.0
        for lane in range(LANES):
            value = np.float64(lanes[place, lane])
            total[lane] += value
            moment[lane] += frequency * value
            energy[lane] += share * value * value
    for lane in range(LANES):
        total[lane] = total[lane] if total[lane] >= TINY else 1.0
    centroid = moment / total
    spread = np.zeros(LANES)
    for place in range(lanes.shape[0]):
        frequency = frequencies[place]
        for lane in range(LANES):
            deviation = frequency - centroid[lane]
            spread[lane] += np.float64(lanes[place, lane]) * deviation * deviation
    samples = 2.0 * last
    out[0] = centroid
    out[1] = np.sqrt(spread / total)
    out[2] = np.sqrt(2.0 * energy) / samples


@njit(cache=True, nogil=True)
def find_rolloff(lanes: Floats, frequencies: Doubles, out: Doubles) -> None:
    """The frequency in Hz below which 85 % of the magnitudes lie: `out` is (LANES,)."""
    total = np.zeros(LANES, np.float32)
    for place in range(lanes.shape[0]):
        for lane in range(LANES):
            total[lane] += lanes[place, lane]
    threshold = ROLLOFF_SHARE * total
    below = np.zeros(LANES, np.int32)
    total[:] = 0
    for place in range(lanes.shape[0]):
        for lane in range(LANES):
            total[lane] += lanes[place, lane]
            below[lane] += total[lane] < threshold[lane]
    for lane in range(LANES):
        out[lane] = frequencies[below[lane]]


@njit(cache=True, nogil=True)
def sum_mels(power: Floats, spans: Indices, weights: Floats, out: Floats) -> None:
    """Energy under each mel filter: `out` is (mels, LANES)."""
    sums = np.empty(LANES, np.float32)
    for mel in range(spans.shape[0]):
        first, end, begin = spans[mel]
        sums[:] = 0
        for place in range(first, end):
            weight = weights[begin + place - first]
            # Not LANES: a loop of known length is unrolled here, and then not vectorised.
            for lane in range(power.shape[1]):
                sums[lane] += weight * power[place, lane]
        out[mel] = sums


@njit(cache=True, nogil=True)
def average_greatest(lanes: Floats, span: Indices, sign: np.float32, out: Doubles) -> None:
    """The mean of a band's greatest bins, or with a `sign` of -1 of its least: (LANES,).

    Each frame's greatest are a sorted list, into which every bin is put and the least falls out.
    """
    first, end, count = span
    kept = np.full((count, LANES), -np.inf, np.float32)
    rest = np.empty(LANES, np.float32)
    for place in range(first, end):
        for lane in range(LANES):
            rest[lane] = sign * lanes[place, lane]
        for rank in range(count):
            for lane in range(LANES):
                value, other = rest[lane], kept[rank, lane]
                kept[rank, lane] = value if value > other else other
                rest[lane] = other if value > other else value
    for lane in range(LANES):
        out[lane] = sign * kept[:, lane].sum() / np.float32(count)


@njit(cache=True, nogil=True)
def measure_contrast(lanes: Floats, spans: Indices, peaks: Doubles, valleys: Doubles) -> None:
    """Means of the greatest and of the least 2 % of each band: (bands, LANES)."""
    for band in range(spans.shape[0]):
        average_greatest(lanes, spans[band], np.float32(1), peaks[band])
        average_greatest(lanes, spans[band], np.float32(-1), valleys[band])


@njit(cache=True, nogil=True)
def find_greatest(lanes: Floats) -> Floats:
    """The greatest bin of each frame: (LANES,)."""
    greatest: Floats = lanes[0].copy()
    for place in range(1, lanes.shape[0]):
        for lane in range(LANES):
            value = lanes[place, lane]
            greatest[lane] = value if value > greatest[lane] else greatest[lane]
    return greatest


@njit(cache=True, nogil=True)
def refine_peak(
    before: np.float32, here: np.float32, after: np.float32
) -> tuple[np.float32, np.float32]:
    """Shift in bins and height of the parabola through a peak, in librosa's own arithmetic."""
    curve = after + before - 2 * here
    slope = (after - before) / 2
    shift = np.float32(0) if abs(slope) >= abs(curve) else np.float32(-slope / curve)
    gradient = (after - before) * HALF
    return shift, here + (HALF * gradient) * shift


@njit(cache=True, nogil=True)
def mark_peaks(lanes: Floats, place: int, least: Floats, out: npt.NDArray[np.uint8]) -> None:
    """In which frames a bin is above `least` and a local maximum, as librosa defines it."""
    for lane in range(LANES):
        value = lanes[place, lane]
        out[lane] = (
            (value > least[lane])
            & (value > lanes[place - 1, lane])
            & (value >= lanes[place + 1, lane])
        )


@njit(cache=True, nogil=True)
def keep_peaks(
    lanes: Floats, place: int, marked: npt.NDArray[np.uint8], sample_rate: float,
    peaks: Floats, found: int,
) -> int:  # fmt: skip
    """Write the marked frames' peaks behind the `found` ones: how many there are then."""
    for lane in range(marked.size):
        if marked[lane]:
            before, here, after = lanes[place - 1, lane], lanes[place, lane], lanes[place + 1, lane]
            shift, height = refine_peak(before, here, after)
            peaks[0, found] = (place + np.float64(shift)) * sample_rate / FRAME_SAMPLES
            peaks[1, found] = height
            found += 1
    return found


@njit(cache=True, nogil=True)
def find_peaks(
    lanes: Floats, frames: int, first: int, end: int, sample_rate: float, peaks: Floats
) -> int:
    """Peaks above a tenth of their frame's greatest, between two bins: how many there are.

    Their frequencies in Hz and their heights go into the rows of `peaks`. Only the first `frames`
    lanes are looked at.
    """
    least = PEAK_SHARE * find_greatest(lanes)
    marked = np.empty(LANES, np.uint8)
    whole, eights = marked[:frames], marked.view(np.uint64)
    found = 0
    for place in range(first, end):
        mark_peaks(lanes, place, least, marked)
        if eights.any():
            found = keep_peaks(lanes, place, whole, sample_rate, peaks, found)
    return found


@njit(cache=True, nogil=True)
def count_crossings(samples: Floats, out: Doubles) -> None:
    """Share of samples whose sign differs from the one before, in centred frames: (frames,).

    Beyond its ends the signal stays as it is there. What is no louder than 1e-10 counts as
    positive, and a frame's first sample as no crossing.
    """
    crossed = np.zeros(samples.size + 1, np.int32)
    for place in range(1, samples.size):
        crossed[place] = (samples[place] < -SOUNDLESS) != (samples[place - 1] < -SOUNDLESS)
    total = 0
    for place in range(samples.size):
        total += crossed[place]
        crossed[place] = total
    for frame in range(out.size):
        begin = frame * HOP_SAMPLES - FRAME_SAMPLES // 2
        last = min(begin + FRAME_SAMPLES, samples.size) - 1
        out[frame] = (crossed[last] - crossed[max(begin, 0)]) / FRAME_SAMPLES
