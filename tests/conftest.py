"""What every test shares: one Spark session, and one Kafka, MongoDB and Airflow of their own."""

import os
import shutil
import socket
import sys
import tempfile
import uuid
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from nocturne.settings import PROJECT, Settings
from nocturne.stack.ports import allot_other_ports

REAL_DATA = Path(os.environ.get("NOCTURNE_REAL_DATA", PROJECT.parent / "shared" / "data"))
FOREIGN = ("NOCTURNE_", "AIRFLOW")
"""Variables of a user's own Nocturne or Airflow that must not leak into the tests."""


def pytest_configure() -> None:
    for name in [name for name in os.environ if name.startswith(FOREIGN)]:
        if name not in ("NOCTURNE_REAL_DATA", "NOCTURNE_RUNTIME"):
            del os.environ[name]
    # Whoever imports airflow makes its home folder, which must not be the user's own.
    os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="nocturne-test-airflow-")


def pytest_unconfigure() -> None:
    shutil.rmtree(os.environ["AIRFLOW_HOME"])


@pytest.fixture(scope="session")
def real_data() -> Path:
    if not REAL_DATA.is_dir():
        pytest.skip(f"the developers' real data is not in {REAL_DATA} (NOCTURNE_REAL_DATA)")
    return REAL_DATA


@pytest.fixture(scope="session")
def home() -> Iterator[Path]:
    """A NOCTURNE_HOME for the whole run; its path is short, for the supervisor's socket."""
    folder = Path(tempfile.mkdtemp(prefix="nocturne-test-"))
    os.environ["NOCTURNE_HOME"] = str(folder)
    yield folder
    shutil.rmtree(folder)


def allot_test_ports(home: Path) -> None:
    """Free ports for a home, so that a stack that runs on the usual ones is not in the way."""
    (home / "stack").mkdir(parents=True, exist_ok=True)
    allot_other_ports(home / "stack")


@pytest.fixture(scope="session")
def stack(home: Path) -> Iterator[Settings]:
    """Settings that reach this run's own Kafka, MongoDB and Airflow; the only ones it starts."""
    from nocturne.settings import load_settings
    from nocturne.stack.processes import stack_processes
    from nocturne.stack.stack import bring_down, bring_up

    allot_test_ports(home)
    settings = load_settings()
    try:
        yield bring_up(settings, print)
    finally:
        bring_down(settings)
        assert not stack_processes(settings.stack_dir), "the stack left processes behind"


@pytest.fixture
def database(stack: Settings) -> Iterator:
    """An empty MongoDB database of a test's own."""
    from nocturne.store.collections import connect

    with connect(stack) as client:
        name = f"test_{uuid.uuid4().hex[:12]}"
        yield client[name]
        client.drop_database(name)


@pytest.fixture
def kafka(stack: Settings) -> dict[str, str]:
    """A Kafka connection as tasks have it."""
    return {"bootstrap.servers": stack.kafka_bootstrap, "auto.offset.reset": "earliest"}


@pytest.fixture(scope="session")
def spark(home: Path) -> Iterator:
    """One session on two cores, with the jars that set-up fetches and few shuffle partitions."""
    from pyspark.sql import SparkSession

    from nocturne.settings import load_settings
    from nocturne.stack.jars import jar_paths
    from nocturne.stack.setup import set_up
    from nocturne.stack.spark import SPARK_CONF

    set_up(load_settings(), print)
    # Spark would take the first python3 of the PATH, which need not be this one.
    os.environ["PYSPARK_PYTHON"] = sys.executable
    jars = ",".join(str(jar) for jar in jar_paths(load_settings().runtime, "spark"))
    session = (
        SparkSession.builder.master("local[2]")
        .config(map=SPARK_CONF)
        .config("spark.sql.shuffle.partitions", "4")
        .config("spark.jars", jars)
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.sql.warehouse.dir", str(home / "spark-warehouse"))
        .getOrCreate()
    )
    yield session
    session.stop()


@pytest.fixture(scope="session")
def sample_features() -> np.ndarray:
    """The features of the sample library's good tracks, synthesised and analysed as a night does
    it: (66, 518), in the order of `list_good_tracks`.
    """
    from nocturne.audio.features import extract
    from nocturne.sample.arrangements import render_track
    from nocturne.sample.catalogue import TRACKS_PER_GENRE, list_good_tracks
    from nocturne.sample.synthesis import SAMPLE_RATE

    tracks = list_good_tracks(date(2026, 11, 19), TRACKS_PER_GENRE)
    sounds = (render_track(track.genre, track.take).astype(np.float32) for track in tracks)
    return np.array([extract(sound, SAMPLE_RATE) for sound in sounds])


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
