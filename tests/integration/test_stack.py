"""The embedded stack as `up`, `status` and `down` have it, and a second one beside it."""

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import httpx
import psutil
import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from nocturne.errors import BadInput
from nocturne.settings import Settings, load_settings
from nocturne.stack.passwords import read_passwords, write_private
from nocturne.stack.ports import HOST, Ports, find_free_port, is_free, read_ports
from nocturne.stack.processes import read_session, stack_processes
from nocturne.stack.services import find_services
from nocturne.stack.stack import bring_down, bring_up, check_health, read_status
from nocturne.stack.supervise import Supervisor
from nocturne.store.collections import connect

pytestmark = pytest.mark.integration
NAMES = {"kafka", "mongo"} | {
    f"airflow-{name}" for name in ("api-server", "scheduler", "dag-processor", "triggerer")
}
TOPIC = "survives"


def pids(stack: Settings) -> dict[str, int]:
    return {process.name: process.pid for process in Supervisor(stack.stack_dir).processes()}


def is_alive(pid: int) -> bool:
    """A zombie that nobody reaps is dead, too."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_for(condition: Callable[[], object], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"it did not happen in {seconds} s"
        time.sleep(0.2)


def find_workers(stack: Settings) -> list[int]:
    """The processes in which Airflow runs tasks."""
    return [
        process.pid
        for process in stack_processes(stack.stack_dir)
        if "LocalExecutor" in " ".join(process.cmdline())
    ]


def nocturne(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "nocturne.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_all_of_it_is_healthy_and_says_so(stack):
    done = nocturne("status", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert found["running"] is True
    assert found["healthy"] == {"kafka": True, "mongo": True, "airflow": True}
    assert {process["name"]: process["state"] for process in found["processes"]} == dict.fromkeys(
        NAMES, "running"
    )
    assert found["addresses"]["kafka"] == stack.kafka_bootstrap
    assert found["addresses"]["airflow"] == stack.airflow_url
    assert "@" not in found["addresses"]["mongo"]


def test_up_again_changes_nothing_and_is_quick(stack):
    before = pids(stack)
    began = time.monotonic()
    done = nocturne("up", "--json")
    assert time.monotonic() - began < 10
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["running"] is True
    assert "waiting for Airflow" in done.stderr
    assert bring_up(load_settings(), print) == stack
    assert pids(stack) == before


def test_logs_of_every_server_can_be_read(stack):
    done = nocturne("logs", "-n", "3")
    assert done.returncode == 0
    for name in NAMES:
        assert f"{stack.stack_dir}/logs/{name}.log\n" in done.stdout


def test_secrets_stand_in_private_files_alone(stack):
    private = {"passwords.json", "mongo/keyfile", "airflow/passwords.json"}
    for name in private:
        assert stat.S_IMODE((stack.stack_dir / name).stat().st_mode) == 0o600
    secrets = [secret.encode() for secret in asdict(read_passwords(stack.stack_dir)).values()]
    databases = {stack.stack_dir / "mongo/data", stack.stack_dir / "kafka/data"}
    for path in stack.stack_dir.rglob("*"):
        if not path.is_file() or databases & set(path.parents):
            continue
        if str(path.relative_to(stack.stack_dir)) not in private:
            content = path.read_bytes()
            assert not [secret for secret in secrets if secret in content], path
    for process in stack_processes(stack.stack_dir):
        line = " ".join(process.cmdline()).encode()
        assert not [secret for secret in secrets if secret in line], line


def test_nobody_gets_in_without_a_login(stack):
    address = stack.mongo_uri.rpartition("@")[2].partition("/")[0]
    wrong = f"mongodb://nocturne:wrong@{address}/?authSource=admin"
    for uri, code in ((f"mongodb://{address}/", 13), (wrong, 18)):
        with MongoClient(uri, directConnection=True) as client:
            with pytest.raises(OperationFailure) as refused:
                client["nocturne"]["tracks"].find_one()
            assert refused.value.code == code
    assert httpx.get(f"{stack.airflow_url}/api/v2/dags").status_code == 401


def test_everything_listens_on_this_machine_alone_and_on_its_own_ports(stack):
    listening = [
        connection.laddr
        for process in stack_processes(stack.stack_dir)
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert {address.ip.removeprefix("::ffff:") for address in listening} == {HOST}
    ports = asdict(read_ports(stack.stack_dir))
    assert {address.port for address in listening} == set(ports.values())
    socket = stack.stack_dir / "supervisor.sock"
    assert stat.S_IMODE(socket.stat().st_mode) == 0o700


def test_servers_that_are_killed_come_back_within_a_minute(stack):
    killed = ("kafka", "mongo", "airflow-scheduler")
    before, workers = pids(stack), find_workers(stack)
    assert len(workers) == 4
    for name in killed:
        os.kill(before[name], signal.SIGKILL)

    def is_back() -> bool:
        now = pids(stack)
        new = all(now[name] not in (0, before[name]) for name in killed)
        return new and all(check_health(stack).values())

    wait_for(is_back, 60)
    after = pids(stack)
    assert {name for name in NAMES if after[name] != before[name]} == set(killed)
    assert not any(is_alive(before[name]) for name in killed)
    assert not any(map(is_alive, workers)), "the killed scheduler's own are gone with it"
    assert read_status(stack).running


@pytest.fixture
def second(stack, monkeypatch) -> Iterator[Settings]:
    """A second home, whose folder's name holds whatever one may; it has the first's passwords."""
    folder = Path(tempfile.mkdtemp(prefix="nct #2 50% é "))
    (folder / "stack").mkdir()
    give_ports(folder / "stack")
    shutil.copy2(stack.stack_dir / "passwords.json", folder / "stack")
    monkeypatch.setenv("NOCTURNE_HOME", str(folder))
    settings = load_settings()
    try:
        yield settings
    finally:
        bring_down(settings)
        shutil.rmtree(folder)


def give_ports(stack_dir: Path) -> None:
    chosen: list[int] = []
    for _ in asdict(Ports()):
        chosen.append(find_free_port(set(chosen)))
    write_private(
        stack_dir / "ports.json", json.dumps(dict(zip(asdict(Ports()), chosen, strict=True)))
    )


def write_data(reached: Settings) -> None:
    with connect(reached) as client:
        client["nocturne"]["kept"].insert_one({"_id": "a track"})
    servers = {"bootstrap.servers": reached.kafka_bootstrap}
    admin = AdminClient(servers)
    for created in admin.create_topics([NewTopic(TOPIC, 1, 1)]).values():
        created.result()
    producer = Producer(servers)
    producer.produce(TOPIC, b"a message")
    assert producer.flush(20) == 0


def read_data(reached: Settings) -> tuple[list[str], list[bytes]]:
    with connect(reached) as client:
        kept = [document["_id"] for document in client["nocturne"]["kept"].find()]
    consumer = Consumer(
        {
            "bootstrap.servers": reached.kafka_bootstrap,
            "group.id": "survivors",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    try:
        consumer.subscribe([TOPIC])
        message = consumer.poll(20)
        return kept, [message.value()] if message and not message.error() else []
    finally:
        consumer.close()


WRITTEN = (["a track"], [b"a message"])


def test_a_second_stack_lives_dies_and_returns_beside_the_first(stack, second, monkeypatch):
    """One test, for each start takes long: what is done to the second, the first must not mind."""
    first = pids(stack)
    monkeypatch.setenv("AIRFLOW__CORE__AUTH_MANAGER", "somebody.elses.AuthManager")
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "sqlite:////nonexistent/airflow.db")
    monkeypatch.setenv("PYTHONHOME", "/nonexistent")

    reached = bring_up(second, print)
    assert all(check_health(reached).values())
    assert set(pids(second)) == NAMES
    write_data(reached)

    # Nothing is left of a stack whose scheduler and then supervisor were killed.
    before = {process.pid for process in stack_processes(second.stack_dir)}
    assert set(pids(second).values()) <= before
    os.kill(pids(second)["airflow-scheduler"], signal.SIGKILL)
    os.kill(read_session(second.stack_dir), signal.SIGKILL)
    bring_down(second)
    assert not stack_processes(second.stack_dir)
    assert not any(map(is_alive, before))
    assert not any(check_health(find_services(second)).values())
    assert not read_status(find_services(second)).running

    # It may be given other ports, and use an Airflow from elsewhere; what it held is still there.
    give_ports(second.stack_dir)
    without_airflow = second.model_copy(update={"airflow_url": stack.airflow_url})
    reached = bring_up(without_airflow, print)
    assert set(pids(second)) == {"kafka", "mongo"}
    assert read_data(reached) == WRITTEN

    # Up brings back what a killed supervisor left, and what was stopped by hand.
    before = pids(second)
    os.kill(read_session(second.stack_dir), signal.SIGKILL)
    reached = bring_up(without_airflow, print)
    assert not any(map(is_alive, before.values()))
    Supervisor(second.stack_dir).call("stopProcess", "servers:mongo")
    assert bring_up(without_airflow, print) == reached
    assert read_data(reached) == WRITTEN

    # Tasks see settings that have changed, for the stack starts anew with them.
    said: list[str] = []
    bring_up(without_airflow.model_copy(update={"k_max": 7}), said.append)
    assert "starting anew with other settings: NOCTURNE_K_MAX" in said
    assert Supervisor(second.stack_dir).environment()["NOCTURNE_K_MAX"] == "7"

    bring_down(second)
    assert not stack_processes(second.stack_dir)
    assert pids(stack) == first
    assert all(check_health(stack).values())


def test_a_taken_port_is_told_with_its_owner_and_starts_nothing(second):
    port = read_ports(second.stack_dir).mongo
    listen = f"import socket; s = socket.create_server(('{HOST}', {port})); print(); input()"
    with subprocess.Popen(
        [sys.executable, "-c", listen], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as owner:
        owner.stdout.readline()
        assert not is_free(port)
        with pytest.raises(BadInput, match=rf"Port {port}, .*by process {owner.pid} \("):
            bring_up(second, print)
        owner.kill()
    assert not stack_processes(second.stack_dir)
