import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

# pyspark and py4j leave the sockets of collect() and parallelize() to the garbage collector.
LEFT_SOCKETS = "ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings(LEFT_SOCKETS))


@pytest.fixture(autouse=True, scope="module")
def collect_left_sockets() -> Iterator[None]:
    """Here, where they are expected, and not in somebody else's test."""
    yield
    gc.collect()
