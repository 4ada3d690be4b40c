"""The largest of many scores."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def take_largest(scores: NDArray[np.floating[Any]], count: int) -> NDArray[np.intp]:
    """Indices of the `count` largest scores, largest first, of equal ones the lower index."""
    if count <= 0:
        return np.empty(0, dtype=np.intp)
    threshold = np.partition(scores, -count)[-count]
    candidates = np.flatnonzero(scores >= threshold)
    return candidates[np.argsort(-scores[candidates], kind="stable")][:count]
