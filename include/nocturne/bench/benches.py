"""The benches by name."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from nocturne.errors import Misuse

Say = Callable[[str], None]
# Each is a module of this package with a function `measure(records, say)`.
BENCHES = ("faults", "features", "freshness", "ingest", "kills", "neighbours", "retrain", "serving")


def run_bench(name: str, records: int, say: Say) -> dict[str, Any]:
    """The figures of a bench; `records` is its size, 0 its own.

    Raises Misuse if there is no such bench.
    """
    if name not in BENCHES:
        raise Misuse(f"There is no bench {name!r}; there are: {', '.join(BENCHES)}.")
    measured: dict[str, Any] = import_module(f"nocturne.bench.{name}").measure(records, say)
    return measured
