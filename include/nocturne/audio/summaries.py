"""Seven statistics of each series over time."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from numba import njit

from nocturne.audio.names import STATISTICS

Doubles = npt.NDArray[np.float64]

CONSTANT_DEVIATION = 1e-6
"""Deviation below this share of the mean is float32 rounding; scipy draws the line there too."""


def summarise(series: npt.NDArray[np.floating]) -> Doubles:
    """Seven statistics over time, in the order of `names.STATISTICS`: (size, frames) → (7, size).

    `std` is of the population, `skew` and `kurtosis` (Fisher's) are biased, as scipy's defaults
    are. A series that is constant to float32 precision has no shape: its skew and kurtosis are
    0 here, where scipy says NaN, because JSON, Kafka's and MongoDB's contracts refuse NaN.
    """
    values = np.ascontiguousarray(series, dtype=np.float64)
    mean = values.mean(axis=1)
    second, third, fourth = central_moments(values, mean)
    deviation = np.sqrt(second)
    moving = deviation > CONSTANT_DEVIATION * np.abs(mean)
    skew, kurtosis = np.zeros(len(values)), np.zeros(len(values))
    skew[moving] = third[moving] / second[moving] ** 1.5
    kurtosis[moving] = fourth[moving] / second[moving] ** 2 - 3
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


# Sums in eight strands at once instead of one after the other: the same in every process.
@njit(cache=True, nogil=True, fastmath={"reassoc", "nsz"})
def central_moments(values: Doubles, means: Doubles) -> Doubles:
    """Second, third and fourth moment of each row about its mean: (3, rows)."""
    moments = np.zeros((3, values.shape[0]))
    for number in range(values.shape[0]):
        row = values[number]
        mean = means[number]
        second = third = fourth = 0.0
        for value in row:
            deviation = value - mean
            square = deviation * deviation
            second += square
            third += square * deviation
            fourth += square * square
        moments[0, number] = second / row.size
        moments[1, number] = third / row.size
        moments[2, number] = fourth / row.size
    return moments
