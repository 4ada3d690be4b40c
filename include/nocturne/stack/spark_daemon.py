"""Spark's Python daemon, `spark.python.daemon.module`, without Spark's archives on its path.

Workers call `importlib.invalidate_caches()` at each task, and for each archive on the path Python
3.11 reads the whole directory again then: a third of a second. Since Python 3.12 it waits until
the archive is asked for.
"""

import re
import runpy
import sys
from importlib.machinery import PathFinder

SPARKS_OWN = re.compile(r"/(pyspark\.zip|py4j-[^/]*\.zip|spark-core_[^/]*\.jar)$")


def drop_archives() -> None:
    """Unless Spark's modules are nowhere else."""
    rest = [path for path in sys.path if not SPARKS_OWN.search(path)]
    if all(PathFinder.find_spec(name, rest) for name in ("pyspark", "py4j")):
        sys.path[:] = rest
        sys.path_importer_cache.clear()


if __name__ == "__main__":
    drop_archives()
    runpy.run_module("pyspark.daemon", run_name="__main__")
