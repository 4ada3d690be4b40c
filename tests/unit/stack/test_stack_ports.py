import json
import socket
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import asdict

import pytest

from nocturne.errors import BadInput
from nocturne.stack import ports as ports_module
from nocturne.stack.ports import (
    HOST,
    Ports,
    allot_other_ports,
    allot_ports,
    find_free_port,
    is_free,
    read_ports,
    require_free,
)

LISTEN = """
import socket, sys
with socket.create_server((sys.argv[1], int(sys.argv[2]))) as server:
    print(server.getsockname()[1], flush=True)
    sys.stdin.read()
"""


@contextmanager
def listener(host: str = HOST, port: int = 0):
    """A process that listens, and its port."""
    with subprocess.Popen(
        [sys.executable, "-c", LISTEN, host, str(port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process, int(process.stdout.readline())
        finally:
            process.kill()


@pytest.fixture
def usual(monkeypatch) -> dict[str, int]:
    """Usual ports that are free on this machine, whatever runs on the real ones."""
    chosen: dict[str, int] = {}
    for name in asdict(Ports()):
        chosen[name] = find_free_port(set(chosen.values()))
    monkeypatch.setattr(ports_module, "Ports", lambda **given: Ports(**{**chosen, **given}))
    return chosen


def test_the_usual_ports_are_those_that_the_servers_are_known_for():
    assert asdict(Ports()) == {
        "kafka": 9092, "kafka_controller": 9093, "mongo": 27017, "airflow": 8080,
    }  # fmt: skip


def test_a_home_gets_the_usual_ports_where_they_are_free(tmp_path, usual):
    assert asdict(allot_ports(tmp_path)) == usual
    assert json.loads((tmp_path / "ports.json").read_text()) == usual


def test_a_taken_port_is_replaced_by_a_free_one_for_good(tmp_path, usual):
    with listener(port=usual["mongo"]):
        allotted = asdict(allot_ports(tmp_path))
    different = {name for name, port in allotted.items() if port != usual[name]}
    assert different == {"mongo"}
    assert is_free(allotted["mongo"])
    assert asdict(allot_ports(tmp_path)) == allotted, "though the usual port is free again"
    assert read_ports(tmp_path) == Ports(**allotted)


def test_before_the_first_up_there_are_no_ports(tmp_path):
    assert read_ports(tmp_path) is None


def test_a_home_may_be_given_its_ports(tmp_path):
    given = {"kafka": 1024, "kafka_controller": 1025, "mongo": 1026, "airflow": 1027}
    (tmp_path / "ports.json").write_text(json.dumps(given))
    assert allot_ports(tmp_path) == Ports(**given)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"mongo": "many"}', '{"mongo": 0}', '{"mongo": 65536}']
)
def test_a_ports_file_that_holds_something_else_is_bad_input_naming_it(tmp_path, text):
    (tmp_path / "ports.json").write_text(text)
    with pytest.raises(BadInput, match=str(tmp_path / "ports.json")):
        allot_ports(tmp_path)


def test_free_ports_are_not_those_that_are_taken():
    taken: set[int] = set()
    for _ in range(50):
        taken.add(find_free_port(taken))
    assert len(taken) == 50


@pytest.mark.parametrize(
    ("outgoing", "last"),
    [("11500\t60999\n", 11499), ("1024 65535", 65535), (None, 49151)],
    ids=["Linux", "a Linux that gives nearly all of them", "another system"],
)
def test_a_free_port_is_none_that_an_outgoing_connection_may_be_given(
    tmp_path, monkeypatch, outgoing, last
):
    if outgoing:
        (tmp_path / "range").write_text(outgoing)
    monkeypatch.setattr(ports_module, "OUTGOING_PORTS", tmp_path / "range")
    found = {find_free_port(set()) for _ in range(50)}
    assert all(10_000 <= port <= last for port in found)


def test_another_home_gets_neither_the_usual_ports_nor_those_of_homes_to_come(
    tmp_path, monkeypatch
):
    """Of twenty free ports, and four usual ones among them."""
    few = [*asdict(Ports()).values(), *range(11_000, 11_020)]
    monkeypatch.setattr(ports_module, "list_ports_for_servers", lambda: few)
    taken: set[int] = set()
    for name in ("one", "two", "three"):
        (tmp_path / name).mkdir()
        ports = asdict(allot_other_ports(tmp_path / name, taken))
        assert not set(ports.values()) & (taken | set(asdict(Ports()).values()))
        taken.update(ports.values())
    assert len(taken) == 12


@pytest.mark.parametrize("host", [HOST, "0.0.0.0"])  # noqa: S104
def test_a_port_is_taken_by_whoever_listens_on_it_here(host):
    with listener(host) as (_, port):
        assert not is_free(port)
    assert is_free(port)


def test_a_port_whose_connections_linger_is_free(free_port):
    with socket.create_server((HOST, free_port)) as server:
        client = socket.create_connection((HOST, free_port))
        accepted, _ = server.accept()
        accepted.close()  # the side that closes first is left in TIME_WAIT
        client.close()
    assert is_free(free_port)


def test_the_owner_of_a_taken_port_is_named(tmp_path):
    with listener() as (process, port):
        ports = Ports(mongo=port, kafka=find_free_port({port}))
        with pytest.raises(BadInput) as refused:
            require_free(ports, ["kafka", "mongo"], tmp_path)
    message = str(refused.value)
    assert message.startswith(f"Port {port}, which mongo needs, is taken by process {process.pid}")
    assert sys.executable in message
    assert str(tmp_path / "ports.json") in message


def test_only_the_ports_that_are_needed_must_be_free(tmp_path):
    with listener() as (_, port):
        require_free(Ports(mongo=port), [], tmp_path)


def test_the_owner_of_an_outgoing_connection_is_named_too(tmp_path, free_port):
    with (
        socket.create_server((HOST, 0)) as server,
        socket.create_connection(server.getsockname(), source_address=(HOST, free_port)),
        pytest.raises(BadInput, match=r"taken by process \d+ \("),
    ):
        require_free(Ports(mongo=free_port), ["mongo"], tmp_path)
