"""Transforming skewed features before they are standardised.

A few values far out in a long tail take all the variance of a column: standardised as it is, the
tracks that own them become clusters of their own and everything else one cluster.
"""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import ndtri

Matrix = npt.NDArray[np.float64]

SKEWED = 1.0
"""A column is highly skewed beyond this, whichever way (Bulmer 1979, Principles of Statistics)."""
LEVEL = 1e-9
"""A column is level if no value is further from its mean than this share of the largest value."""
MOST_KNOTS = 256
"""More do not change the shape that is found in 20,000 values."""
LOG_SCALE_QUANTILE = 0.1
"""Nine in ten values lie above the scale, where log1p is nearly a logarithm."""


@dataclass(frozen=True)
class Column:
    """What is done to a feature: `kind` is "as_is", "log" or "quantile".

    `scale` is the unit of the logarithm. `knots` are evenly spaced quantiles, smallest first.
    """

    kind: str
    scale: float = 1.0
    knots: tuple[float, ...] = ()


def fit_unskew(features: Matrix) -> list[Column]:
    """The transform of each column of (tracks, features), whatever the order of the tracks.

    A highly skewed column is given logarithms if it has one sign and they take its skewness
    away, else the quantiles of a normal distribution.
    """
    ordered = np.sort(features, axis=0)
    return [fit_column(column) for column in ordered.T]


def fit_column(ordered: Matrix) -> Column:
    """The transform of a column whose values are sorted."""
    if not is_skewed(ordered):
        return Column("as_is")
    scale = float(np.quantile(np.abs(ordered), LOG_SCALE_QUANTILE))
    one_sign = ordered[0] >= 0 or ordered[-1] <= 0
    if one_sign and scale > 0 and not is_skewed(signed_log(ordered, scale)):
        return Column("log", scale=scale)
    places = np.linspace(0, 1, min(MOST_KNOTS, len(ordered)))
    return Column("quantile", knots=tuple(np.quantile(ordered, places).tolist()))


def is_skewed(column: Matrix) -> bool:
    """Whether the skewness g1 is beyond SKEWED; that of rounding errors means nothing."""
    apart = column - column.mean()
    if np.abs(apart).max() <= LEVEL * np.abs(column).max():
        return False
    return bool(abs(np.mean(apart**3)) > SKEWED * np.mean(apart**2) ** 1.5)


def signed_log(column: Matrix, scale: float) -> Matrix:
    return np.sign(column) * np.log1p(np.abs(column) / scale)


def to_normal(column: Matrix, knots: tuple[float, ...]) -> Matrix:
    """The quantiles of a normal distribution at the ranks that values have among the knots.

    A value that several knots share has the middle of their ranks, as in scikit-learn's
    QuantileTransformer. Values beyond the knots are as far out as the outermost one.
    """
    places = np.linspace(0, 1, len(knots))
    rising = np.interp(column, knots, places)
    falling = -np.interp(-column, -np.array(knots)[::-1], -places[::-1])
    outermost = 0.5 / len(knots)
    return np.asarray(ndtri(np.clip((rising + falling) / 2, outermost, 1 - outermost)))


def apply_unskew(columns: list[Column], features: Matrix) -> Matrix:
    """The features, (tracks, features), transformed as `columns` say."""
    return np.column_stack(
        [apply_column(column, features[:, place]) for place, column in enumerate(columns)]
    )


def apply_column(column: Column, values: Matrix) -> Matrix:
    if column.kind == "log":
        return signed_log(values, column.scale)
    return to_normal(values, column.knots) if column.kind == "quantile" else values


def write_unskew(columns: list[Column], file: Path) -> None:
    """A Parquet file with kind, scale and knots of each feature, in the order of the features."""
    rows = [(column.kind, column.scale, list(column.knots)) for column in columns]
    pd.DataFrame(rows, columns=["kind", "scale", "knots"]).to_parquet(file, index=False)


def read_unskew(file: Path) -> list[Column]:
    rows = pd.read_parquet(file).itertuples(index=False, name=None)
    return [Column(kind, float(scale), tuple(knots)) for kind, scale, knots in rows]


def count_kinds(columns: list[Column]) -> dict[str, int]:
    """How many features are transformed in which way."""
    return dict(sorted(Counter(column.kind for column in columns).items()))
