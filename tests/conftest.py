"""What every test shares: one Spark session, and one Kafka, MongoDB and Airflow of their own."""

import json
import os
import re
import shutil
import signal
import sys
import tempfile
import uuid
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nocturne.settings import PROJECT, Settings
from nocturne.stack.ports import allot_other_ports, find_free_port
from nocturne.suite.shards import (
    COMPUTING,
    SHARDS,
    UNIT,
    UNIT_FOLDER,
    WAITING_FOLDERS,
    forget_foreign_variables,
)

REAL_DATA = Path(os.environ.get("NOCTURNE_REAL_DATA", PROJECT.parent / "shared" / "data"))
USES_STACK = re.compile(r"\bstack\s*[,:)]")
"""The fixture among the arguments of a function."""


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("nocturne", "shards of the whole suite, as ./nocturne test starts them")
    group.addoption("--shard", choices=SHARDS, help="run this share of the tests only")
    group.addoption("--shard-folder", type=Path, help="where its home lies and its counts go")


def pytest_configure(config: pytest.Config) -> None:
    # Whatever ends the tests, their servers end too.
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)
    forget_foreign_variables()
    # Whoever imports airflow makes its home folder, which must not be the user's own.
    folder = config.getoption("--shard-folder")
    os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="nocturne-test-airflow-", dir=folder)


def pytest_unconfigure() -> None:
    shutil.rmtree(os.environ["AIRFLOW_HOME"])


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    shard = config.getoption("--shard")
    if shard is not None:
        others = [item for item in items if choose_shard(item) != shard]
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if choose_shard(item) == shard]


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """A shard does not import what only others run, which takes as long as some tests."""
    ours = collection_path.suffix == ".py" and collection_path.stem.startswith("test_")
    shard = config.getoption("--shard")
    if not ours or shard is None:
        return None
    others = find_shard(collection_path) != shard
    return True if others and (shard != COMPUTING or find_shard(collection_path) == UNIT) else None


def choose_shard(item: pytest.Item) -> str:
    """The one shard in which a test runs: what uses Airflow waits, all else computes."""
    uses_airflow = "stack" in getattr(item, "fixturenames", ())
    place = find_shard(item.path)
    return place if uses_airflow or place == UNIT else COMPUTING


def find_shard(module: Path) -> str:
    """Where the tests of a module run that use Airflow; where nothing in it says so, all compute,
    and none is lost.
    """
    folder = module.parent.relative_to(Path(__file__).parents[1]).as_posix()
    if f"{folder}/".startswith(f"{UNIT_FOLDER}/"):
        return UNIT
    if folder not in WAITING_FOLDERS or not USES_STACK.search(module.read_text("utf-8")):
        return COMPUTING
    return "nightly" if module.stem == "test_nightly" else "airflow"


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Leave the counts of a shard for the suite's last line."""
    shard, folder = config.getoption("--shard"), config.getoption("--shard-folder")
    if shard is not None and folder is not None:
        counts = {name: len(found) for name, found in terminalreporter.stats.items() if name}
        (folder / f"{shard}.json").write_text(json.dumps(counts), encoding="utf-8")


@pytest.fixture(scope="session")
def real_data() -> Path:
    if not REAL_DATA.is_dir():
        pytest.skip(f"the developers' real data is not in {REAL_DATA} (NOCTURNE_REAL_DATA)")
    return REAL_DATA


@pytest.fixture(scope="session")
def home(pytestconfig: pytest.Config) -> Iterator[Path]:
    """A NOCTURNE_HOME for the whole run; its path is short, for the supervisor's socket."""
    shard, shards = pytestconfig.getoption("--shard"), pytestconfig.getoption("--shard-folder")
    folder = shards / shard if shards else Path(tempfile.mkdtemp(prefix="nocturne-test-"))
    os.environ["NOCTURNE_HOME"] = str(folder)
    yield folder
    shutil.rmtree(folder)


def allot_test_ports(home: Path) -> None:
    """Free ports for a home, so that a stack that runs on the usual ones is not in the way; a
    shard's home has some already.
    """
    if not (home / "stack").is_dir():
        (home / "stack").mkdir(parents=True)
        allot_other_ports(home / "stack")


@pytest.fixture(scope="session")
def servers(home: Path) -> Iterator[Settings]:
    """Settings that reach this run's own Kafka and MongoDB; the only ones that it starts."""
    from nocturne.settings import load_settings
    from nocturne.stack.processes import stack_processes
    from nocturne.stack.stack import bring_down, bring_up_servers

    allot_test_ports(home)
    settings = load_settings()
    try:
        yield bring_up_servers(settings, print)
    finally:
        bring_down(settings)
        assert not stack_processes(settings.stack_dir), "the stack left processes behind"


@pytest.fixture(scope="session")
def stack(servers: Settings) -> Settings:
    """The same with Airflow, for the few who need it: it takes a minute to start."""
    from nocturne.settings import load_settings
    from nocturne.stack.stack import bring_up

    return bring_up(load_settings(), print)


@pytest.fixture
def database(servers: Settings) -> Iterator:
    """An empty MongoDB database of a test's own."""
    from nocturne.store.collections import connect

    with connect(servers) as client:
        name = f"test_{uuid.uuid4().hex[:12]}"
        yield client[name]
        client.drop_database(name)


@pytest.fixture
def kafka(servers: Settings) -> dict[str, str]:
    """A Kafka connection as tasks have it."""
    return {"bootstrap.servers": servers.kafka_bootstrap, "auto.offset.reset": "earliest"}


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


@pytest.fixture(scope="session")
def sample_ratings(tmp_path_factory) -> pd.DataFrame:
    """What the sample's listeners did, as ratings for train_taste."""
    from nocturne.recommend.dealings import ACTIONS, to_ratings
    from nocturne.sample.catalogue import TRACKS_PER_GENRE, list_good_tracks
    from nocturne.sample.listening import write_listening

    folder = tmp_path_factory.mktemp("sample") / "listening"
    last_day = date(2026, 11, 19)
    write_listening(folder, list_good_tracks(last_day, TRACKS_PER_GENRE), last_day)
    lines = (folder / "user_activity.jsonl").read_text("utf-8").splitlines()
    events = pd.DataFrame([json.loads(line) for line in lines])
    counted = events.groupby(["user_id", "track_id"])["action"].value_counts().unstack(fill_value=0)
    names = {"user_id": "user", "track_id": "item", **{v: k for k, v in ACTIONS.items()}}
    return to_ratings(counted.reset_index().rename(columns=names))


@pytest.fixture
def free_port() -> int:
    return find_free_port(set())
