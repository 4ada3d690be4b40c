"""What is said, and how soon, while MongoDB or Kafka are away or frozen."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from urllib.parse import urlsplit

import psutil
import pytest
from live_library import make_event, publish_library
from web_app import make_app, open_client

from nocturne.errors import ServiceUnavailable
from nocturne.live.desk import open_desk
from nocturne.live.recommender import LiveRecommender
from nocturne.live.simulation import Simulator
from nocturne.stack.mongo import name_hosts
from nocturne.stack.supervise import Supervisor
from nocturne.store.collections import connect

pytestmark = pytest.mark.integration
SOON_SECONDS = 4
"""Three, and one for a busy machine."""
API = "/api/v1"


@pytest.fixture
def nowhere(free_port):
    return {
        "kafka_bootstrap": f"127.0.0.1:{free_port}",
        "mongo_uri": f"mongodb://nocturne:secret@127.0.0.1:{free_port}/?authSource=admin",
    }


@contextmanager
def soon(seconds=SOON_SECONDS):
    begun = time.monotonic()
    yield
    assert time.monotonic() - begun < seconds


def test_the_app_says_soon_that_there_are_no_servers(servers, database, nowhere):
    kafka = {"bootstrap.servers": nowhere["kafka_bootstrap"]}
    app = make_app(servers.model_copy(update=nowhere), kafka, database)
    with open_client(app) as client:
        for path in ("/", f"{API}/health/ready", f"{API}/listeners/anna/recommendations"):
            with soon():
                answer = client.get(path)
            assert (answer.status_code, "secret" in answer.text) == (503, False)


@contextmanager
def frozen(settings, server):
    """MongoDB or Kafka stopped by a signal: it is there and answers nobody."""
    info = Supervisor(settings.stack_dir).call("getProcessInfo", f"servers:{server}")
    process = psutil.Process(info["pid"])
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


def test_a_database_that_freezes_is_told_soon_and_found_again(servers, kafka, database):
    publish_library(database)
    with open_client(make_app(servers, kafka, database)) as client:
        assert client.get("/").status_code == 200
        with frozen(servers, "mongo"):
            for path in (f"{API}/health/ready", "/tracks/000", f"{API}/tracks/000"):
                with soon():
                    assert client.get(path).status_code == 503
        deadline = time.monotonic() + 20
        while client.get(f"{API}/tracks/000").status_code != 200:
            assert time.monotonic() < deadline


def test_brokers_that_freeze_take_no_events_and_say_so_soon(servers, kafka, database):
    publish_library(database)
    with open_client(make_app(servers, kafka, database)) as client:
        assert client.post(f"{API}/events", json=[make_event("anna", "000")]).status_code == 202
        with frozen(servers, "kafka"):
            with soon():
                answer = client.post(f"{API}/events", json=[make_event("anna", "001")])
            assert answer.status_code == 503
            with soon():
                ready = client.get(f"{API}/health/ready")
            assert (ready.status_code, ready.json()["checks"]["kafka"]) == (503, "does not answer")


def test_asking_for_readiness_opens_no_connections(servers, kafka, database):
    publish_library(database)
    with open_client(make_app(servers, kafka, database)) as client, connect(servers) as counter:

        def count():
            return counter.admin.command("serverStatus")["connections"]["current"]

        assert client.get("/health/ready").status_code == 200
        before = count()
        for _ in range(60):
            assert client.get("/health/ready").status_code == 200
        assert count() <= before + 2


@pytest.mark.parametrize(
    "command",
    [
        ["topics"], ["ingest", "user_activity"], ["ingest", "tracks.features", "--follow"],
        ["dead-letters", "user_activity"], ["dead-letters", "user_activity", "--replay"],
        ["simulate"], ["live"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_commands_say_soon_what_is_away_and_how_to_start_it(command, nowhere, tmp_path):
    variables = {f"NOCTURNE_{name.upper()}": value for name, value in nowhere.items()}
    with soon(2 * SOON_SECONDS):
        done = subprocess.run(
            [sys.executable, "-P", "-m", "nocturne.cli", *command],
            env={**os.environ, **variables, "NOCTURNE_HOME": str(tmp_path)},
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip
    lines = [line for line in done.stderr.splitlines() if "does not answer" in line]
    assert (done.returncode, len(lines)) == (1, 1)
    assert "./nocturne up" in done.stderr
    assert "Traceback" not in done.stderr
    assert "secret" not in done.stderr


def test_a_recommender_is_stopped_while_it_waits(servers, kafka, database, monkeypatch):
    publish_library(database)
    settings = servers.model_copy(update={"mongo_database": database.name})
    recommender = LiveRecommender(kafka, database, open_desk(database, settings))

    def read(stopped):
        stopped.set()
        raise ServiceUnavailable("the primary has stepped down")

    monkeypatch.setattr(recommender, "read", read)

    assert recommender.follow(Event()) == 0


def test_simulated_listeners_outlive_a_database_that_is_away(servers, database):
    publish_library(database)
    settings = servers.model_copy(update={"mongo_database": database.name})
    with connect(servers, 0.3, 0.3) as client:
        desk = open_desk(client[settings.mongo_database], settings)
        sent = []
        simulator = Simulator(desk, type("Sender", (), {"send": staticmethod(sent.append)})())
        simulator.start(3, 50.0)
        try:
            with frozen(servers, "mongo"):
                time.sleep(1)
                assert simulator.running
            before, deadline = len(sent), time.monotonic() + 20
            while len(sent) <= before:
                assert time.monotonic() < deadline
                time.sleep(0.05)
        finally:
            simulator.stop()


@pytest.fixture
def short_folder():
    """The path of a supervisor's socket must be short."""
    with tempfile.TemporaryDirectory(prefix="nocturne-test-") as folder:
        yield Path(folder)


def test_what_a_bench_has_started_ends_with_it(short_folder):
    """By a signal that is no Ctrl-C."""
    home = short_folder / "home"
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "nocturne.cli", "bench", "faults", "--records", "1000"],
        env={**os.environ, "NOCTURNE_HOME": str(home), "TMPDIR": str(short_folder)},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not any(child.name() == "mongod" for child in find_started(short_folder)):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 128 + signal.SIGTERM
    assert find_started(short_folder) == []
    assert not list(short_folder.glob("nocturne-bench-*"))


def find_started(folder):
    """Processes whose command line names a folder."""
    found = psutil.process_iter(["cmdline"])
    return [one for one in found if str(folder) in " ".join(one.info["cmdline"] or [])]


def test_addresses_are_named_without_their_login(nowhere):
    assert name_hosts(nowhere["mongo_uri"]) == urlsplit(nowhere["mongo_uri"]).netloc.split("@")[1]
