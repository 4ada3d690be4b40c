"""The features bench: how far our columns are from librosa's."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nocturne.audio.names import SERIES_PER_FEATURE, STATISTICS

Doubles = npt.NDArray[np.float64]

CLOSE = 1e-4
ROUNDING = 2.0**-24
"""Half the distance of float32 numbers about 1: librosa computes its series in them."""
PURE = {"skew", "kurtosis"}
"""Statistics without a unit: 1 is their scale, whatever their series measures."""


class Compared(NamedTuple):
    """Of one clip, by column: (518,) each."""

    errors: Doubles
    """Relative; NaN where librosa gives NaN."""
    near_zero: npt.NDArray[np.bool_]
    ours: Doubles


def compare_columns(ours: Doubles, librosas: Doubles) -> Compared:
    """Each distance over librosa's value, or over the least that counts as a value, if that is
    less than it.
    """
    least = least_values(librosas)
    size = np.abs(librosas)
    return Compared(np.abs(ours - librosas) / np.maximum(size, least), size < least, ours)


def least_values(columns: Doubles) -> Doubles:
    """What is numerically zero is smaller: float32's rounding is more than CLOSE of it.

    That is 0.0006 of the greatest value of the column's feature in this clip, as the series of a
    feature are made of the same addends (an MFCC of 0.01 is a sum of 128 decibels that cancel), or
    of 1 for PURE statistics.
    """
    least, begin = np.empty_like(columns), 0
    for series in SERIES_PER_FEATURE.values():
        end = begin + series * len(STATISTICS)
        by_statistic = dict(
            zip(STATISTICS, columns[begin:end].reshape(len(STATISTICS), series), strict=True)
        )
        peak = max(np.abs(by_statistic["min"]).max(), np.abs(by_statistic["max"]).max())
        scales = [1.0 if statistic in PURE else peak for statistic in STATISTICS]
        least[begin:end] = np.repeat(scales, series)
        begin = end
    return np.maximum(least * ROUNDING / CLOSE, np.finfo(np.float64).tiny)


def describe_errors(clips: Sequence[Compared]) -> dict[str, Any]:
    """The greatest error of all clips, and how many columns are close to librosa's at every clip;
    those for which it has NaN at one are not.
    """
    errors = np.stack([clip.errors for clip in clips])
    unknown = np.isnan(errors)
    given = np.stack([clip.ours for clip in clips])[unknown]
    return {
        "max_relative_error": float(f"{np.where(unknown, 0, errors).max():.2g}"),
        "close_columns": int((errors <= CLOSE).all(axis=0).sum()),
        "near_zero_values": int(sum(clip.near_zero.sum() for clip in clips)),
        "values": errors.size,
        "librosa_nan": {
            "values": int(unknown.sum()),
            "columns": int(unknown.any(axis=0).sum()),
            "clips": int(unknown.any(axis=1).sum()),
            "ours_are_zero": int((given == 0).sum()),
        },
    }
