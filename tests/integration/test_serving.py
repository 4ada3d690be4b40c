"""The commands of the web app: serving, simulating, tokens; and sending when Kafka is away."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import httpx
import pytest
from live_library import make_event, publish_library
from streams import read_messages, wait_until

from nocturne.errors import BadInput, Misuse, ServiceUnavailable
from nocturne.store.tokens import Holder, find_holder, list_tokens, make_token
from nocturne.stream import activity
from nocturne.stream.activity import ActivitySender
from nocturne.stream.connection import client_config
from nocturne.stream.messages import UserActivity
from nocturne.stream.topics import USER_ACTIVITY
from nocturne.web.serving import open_socket, require_tokens

pytestmark = pytest.mark.integration
EVERYWHERE = "0.0.0.0"  # noqa: S104


@pytest.fixture
def run(servers, database):
    """A command of the command line on the test's database, started."""
    started = []
    environment = os.environ | {
        "NOCTURNE_HOME": str(servers.home),
        "NOCTURNE_KAFKA_BOOTSTRAP": servers.kafka_bootstrap,
        "NOCTURNE_MONGO_URI": servers.mongo_uri,
        "NOCTURNE_MONGO_DATABASE": database.name,
    }

    def start(*arguments):
        command = [sys.executable, "-P", "-m", "nocturne.cli", *arguments]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        process = subprocess.Popen(command, env=environment, text=True, **pipes)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def finish(process):
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def test_tokens_are_made_listed_and_taken_back(run, database):
    code, out, _ = finish(run("tokens", "phone", "--listener", "anna"))
    assert code == 0
    assert find_holder(database, out.strip()) == Holder("phone", "anna")
    _, out, _ = finish(run("tokens", "--json"))
    assert [(one["name"], one["user_id"]) for one in json.loads(out)] == [("phone", "anna")]
    code, _, err = finish(run("tokens", "phone", "--listener", "anna"))
    assert (code, "a token called 'phone' already" in err) == (1, True)
    code, _, err = finish(run("tokens", "another"))
    assert (code, "--anybody" in err) == (2, True)
    assert finish(run("tokens", "another", "--listener", " "))[0] == 1
    assert finish(run("tokens", "another", "--listener", "anna", "--anybody"))[0] == 2
    assert len(list_tokens(database)) == 1
    assert finish(run("tokens", "phone", "--revoke"))[0] == 0
    assert list_tokens(database) == []
    assert finish(run("tokens", "phone", "--revoke"))[0] == 1
    assert finish(run("tokens", "--revoke"))[0] == 2


def test_where_others_reach_it_it_starts_with_tokens_only(servers, database, run):
    settings = servers.model_copy(update={"mongo_database": database.name, "web_host": EVERYWHERE})
    with pytest.raises(Misuse, match="there are no tokens"):
        require_tokens(settings)
    code, _, err = finish(run("serve", "--host", EVERYWHERE))
    assert (code, "./nocturne tokens NAME" in err) == (2, True)
    make_token(database, "me", None)
    require_tokens(settings)


def test_a_port_that_is_taken_is_named_with_its_owner(servers):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(BadInput, match=rf"127.0.0.1:{port}.*process {os.getpid()}"):
            open_socket(servers.model_copy(update={"web_port": port}))


def test_it_serves_until_it_is_asked_to_stop(run, database):
    publish_library(database)
    process = run("serve", "--port", "0")
    address = process.stderr.readline().split()[-1]
    assert httpx.get(f"{address}/health/ready", timeout=30).json()["status"] == "ok"
    stream = f"{address}/api/v1/listeners/anna/stream"
    with httpx.stream("GET", stream, timeout=30) as answer:
        lines = answer.iter_lines()
        assert next(lines).startswith("id: 0.")
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) in (0, 128 + signal.SIGTERM)


def test_simulated_listeners_listen_until_they_are_sent_home(run, kafka, database):
    publish_library(database)
    process = run("simulate", "--listeners", "3", "--rate", "40")
    begun = time.time()

    def sent():
        found = read_messages(kafka, USER_ACTIVITY.name)
        return [m for m in found if m.key().startswith(b"simulated-") and is_new(m, begun)]

    wait_until(lambda: len(sent()) > 20)
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0
    assert "events sent" in process.stderr.read()
    events = [UserActivity.model_validate_json(message.value()) for message in sent()]
    assert {event.user_id for event in events} <= {f"simulated-00{n}" for n in (1, 2, 3)}
    assert {event.action for event in events} >= {"listen", "skip"}


def is_new(message, begun):
    return message.timestamp()[1] >= (begun - 1) * 1000


def test_events_that_kafka_does_not_take_are_an_error(kafka, monkeypatch, free_port):
    monkeypatch.setattr(activity, "ANSWER_SECONDS", 1)
    event = UserActivity.model_validate(make_event("anna", "000"))
    monkeypatch.setattr(activity, "ensure_topics", lambda *_: None)
    nowhere = client_config({"bootstrap.servers": f"127.0.0.1:{free_port}"})
    with ActivitySender(nowhere) as sender, pytest.raises(ServiceUnavailable, match="did not take"):
        sender.send([event])
