"""The benches by name."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from nocturne.bench.machine import watch_machine
from nocturne.errors import Misuse

Say = Callable[[str], None]
# Each is a module of this package with a function `measure(records, say)`.
BENCHES = ("faults", "features", "freshness", "ingest", "kills", "neighbours", "retrain", "serving")


def run_bench(name: str, records: int, say: Say) -> dict[str, Any]:
    """The figures of a bench; `records` is its size, 0 its own.

    Beside them are `sound`, whether they may be quoted, and `machine`, how busy others kept the
    cores meanwhile: see `machine.Machine.describe`.

    Raises Misuse if there is no such bench.
    """
    if name not in BENCHES:
        raise Misuse(f"There is no bench {name!r}; there are: {', '.join(BENCHES)}.")
    bench = import_module(f"nocturne.bench.{name}")
    with watch_machine() as machine:
        figures: dict[str, Any] = bench.measure(records, say)
    found = machine.describe()
    return {**figures, "sound": found["quiet"], "machine": found}
