"""How far a clip is from A4 = 440 Hz, from the peaks of its spectrum, as librosa estimates it."""

import numpy as np
from numba import njit

from nocturne.audio.plans import BINS_PER_OCTAVE, TUNINGS, Doubles, Floats, Indices

UNTUNED = 50
"""The place of 0 in TUNINGS: what librosa assumes where a clip has no pitch."""
A0_HZ = 27.5
HALF, ONE = np.float32(0.5), np.float32(1)


def estimate_tuning(peaks: Floats) -> int:
    """The commonest deviation of the louder half of the peaks, as a place in TUNINGS.

    `peaks` are frequencies in Hz and heights, (2, peaks).

    The arithmetic is librosa's, in float32 and in its order: two bins often hold nearly as many
    peaks, and another rounding could choose the other one.
    """
    pitches, heights = peaks
    if not len(pitches):
        return UNTUNED
    loud = pitches[heights >= np.median(heights)]
    semitones = BINS_PER_OCTAVE * np.log2(loud / A0_HZ)
    return int(np.argmax(count_deviations(semitones, TUNINGS)))


@njit(cache=True, nogil=True)
def count_deviations(semitones: Floats, edges: Doubles) -> Indices:
    """Distances from the nearest semitone, counted as by `numpy.histogram`: (bins,)."""
    bins = edges.size - 1
    counts = np.zeros(bins, np.int64)
    for semitone in semitones:
        deviation = semitone - np.floor(semitone)
        if deviation >= HALF:
            deviation -= ONE
        place = min(max(int((deviation - edges[0]) * bins), 0), bins - 1)
        while place > 0 and deviation < edges[place]:
            place -= 1
        while place < bins - 1 and deviation >= edges[place + 1]:
            place += 1
        counts[place] += 1
    return counts
