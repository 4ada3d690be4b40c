"""Kneedle: where a curve bends (Satopaa, Albrecht, Irwin and Raghavan 2011)."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
Curve = Literal["concave", "convex"]
Direction = Literal["increasing", "decreasing"]
SENSITIVITY = 1.0
"""The paper's S: so many mean steps of x must the curve fall behind before a bend is believed."""


def locate_knee(
    x: Sequence[float],
    y: Sequence[float],
    curve: Curve,
    direction: Direction,
    sensitivity: float = SENSITIVITY,
    *,
    last: bool = False,
) -> int | None:
    """The place of the first knee, or with `last` of the last one; None if there is none.

    x ascends. Nothing is smoothed: y is taken as it is measured. A level curve has no knee.
    """
    if len(x) < 2 or min(y) == max(y):
        return None
    # A curve that bends at its end is read from there, so that what is left is two mirror images.
    backwards = (curve, direction) in (("concave", "decreasing"), ("convex", "increasing"))
    across, up = scale(x), scale(y)
    if curve == "convex":
        up = 1 - up
    if backwards:
        across, up = np.flip(1 - across), np.flip(up)
    allowance = sensitivity * float(np.mean(np.diff(across)))
    place = walk(up - across, allowance, last=last)
    return len(x) - 1 - place if backwards and place is not None else place


def scale(values: Sequence[float]) -> Points:
    """Onto 0 to 1."""
    array = np.asarray(values, dtype=np.float64)
    lowest = array.min()
    scaled: Points = (array - lowest) / (array.max() - lowest)
    return scaled


def walk(above: Points, allowance: float, *, last: bool) -> int | None:
    """The local maximum of a curve over its diagonal after which it falls by more than allowed.

    The search for a maximum's fall ends at the next maximum, which takes its place, or at a
    minimum. Ends are extrema by their one neighbour, and so are all points of a plateau.
    """
    padded = np.pad(above, 1, mode="edge")
    before, after = padded[:-2], padded[2:]
    highest, lowest = (above >= before) & (above >= after), (above <= before) & (above <= after)
    found: int | None = None
    top: int | None = None
    for place in range(len(above) - 1):
        if highest[place]:
            top = place
        if lowest[place]:
            top = None
        if top is not None and above[place + 1] < above[top] - allowance:
            found = top
            if not last:
                break
    return found
