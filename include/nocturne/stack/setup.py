"""Everything that the embedded stack needs on disk, fetched once for an environment."""

from collections.abc import Callable
from pathlib import Path

from nocturne.locks import one_at_a_time
from nocturne.settings import Settings
from nocturne.stack.jars import ensure_jars
from nocturne.stack.java import ensure_java
from nocturne.stack.kernels import compiling_kernels
from nocturne.stack.mongod import ensure_mongod

ready: set[Path] = set()
"""The runtimes that this process has set up."""


def set_up(settings: Settings, say: Callable[[str], None]) -> None:
    """Java, the jars, mongod and the compiled kernels; what is already there is left alone.

    Raises BadInput or ServiceUnavailable with what to do.
    """
    if settings.runtime in ready:
        return
    settings.runtime.mkdir(parents=True, exist_ok=True)
    lock = settings.runtime / "setup.lock"
    with one_at_a_time(lock), compiling_kernels(settings.runtime, say):
        say("Java")
        java = ensure_java()
        say("jars of Kafka and of Spark's connectors")
        ensure_jars(settings.runtime, java)
        say("MongoDB")
        ensure_mongod(settings.runtime)
    ready.add(settings.runtime)
