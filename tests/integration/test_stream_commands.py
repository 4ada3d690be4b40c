"""The commands about topics, as a user calls them, beside the run's own servers."""

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial

import pytest
from streams import send as send_plainly

from nocturne.cli import main, start
from nocturne.store.collections import connect
from nocturne.stream.topics import USER_ACTIVITY
from nocturne.streaming import INGESTS

pytestmark = pytest.mark.integration


@pytest.fixture
def own_database(servers, monkeypatch, database):
    """Commands that read the run's Kafka into a database of the test's own."""
    monkeypatch.setenv("NOCTURNE_MONGO_DATABASE", database.name)
    monkeypatch.setenv("NOCTURNE_MAX_REFUSED_SHARE", "1.0")
    return database


@pytest.fixture
def nocturne(own_database, capsys):
    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            main(partial(start, [*arguments, "--json"]))
        out, err = capsys.readouterr()
        assert not ended.value.code, err
        return json.loads(out)

    return run


def make_event(number, **changes):
    event = {
        "schema": 1,
        "event_id": f"command-{os.getpid()}-{number}",
        "user_id": "listener-command",
        "track_id": "900001",
        "action": "like",
        "at": "2026-11-20T10:00:00Z",
        "ms_played": 5,
    }
    return json.dumps(event | changes).encode()


def send(kafka, *values):
    send_plainly(kafka, USER_ACTIVITY, *((b"listener-command", value) for value in values))


def test_topics_are_made_described_and_their_readers_measured(nocturne, kafka):
    found = {topic["name"]: topic for topic in nocturne("topics")}
    assert set(INGESTS) == {"tracks.features", "user_activity"}
    assert set(found) == {*INGESTS, "recommendations"}
    assert all(topic["purpose"] and topic["partitions"] == 3 for topic in found.values())
    nocturne("ingest", "user_activity")
    send(kafka, make_event(1), make_event(2))
    [activity] = [topic for topic in nocturne("topics") if topic["name"] == "user_activity"]
    assert 2 in activity["lag"].values()


def test_a_topic_is_loaded_and_its_letters_listed_and_fed_back(nocturne, kafka, own_database):
    nocturne("topics")
    before = len(nocturne("dead-letters", "user_activity", "--all"))
    nocturne("dead-letters", "user_activity", "--replay")
    send(kafka, make_event(3), make_event(4, mood="good"), b"\xff poison")
    report = nocturne("ingest", "user_activity")
    assert report["dead_letters"] >= 2
    mine = own_database["listens"].find_one({"_id": f"command-{os.getpid()}-3"})
    assert mine["user_id"] == "listener-command"
    waiting = nocturne("dead-letters", "user_activity")
    assert [letter["rule"] for letter in waiting[-2:]] == ["contract", "not_json"]
    assert waiting[-1]["begins"] == "\\xff poison"
    assert nocturne("dead-letters", "user_activity", "--replay") == {"replayed": len(waiting)}
    assert nocturne("dead-letters", "user_activity") == []
    assert len(nocturne("dead-letters", "user_activity", "--all")) >= before + 2


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_following_ends_when_it_is_asked_to(servers, own_database, kafka, how):
    event = make_event(f"follow-{how}")
    process = subprocess.Popen(
        [sys.executable, "-m", "nocturne.cli", "ingest", "user_activity", "--follow", "--json"],
        stdout=subprocess.PIPE,
    )
    try:
        wanted = {"_id": f"command-{os.getpid()}-follow-{how}"}
        send(kafka, event)
        with connect(servers) as client:
            listens = client[own_database.name]["listens"]
            deadline = time.monotonic() + 40
            while not listens.find_one(wanted):
                assert time.monotonic() < deadline
                time.sleep(0.1)
        process.send_signal(how)
        printed, _ = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 0
    assert json.loads(printed)["read"] >= 1
