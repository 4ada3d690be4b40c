"""The embedded Kafka, MongoDB and Airflow: up, down, status."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nocturne.errors import ServiceUnavailable
from nocturne.locks import one_at_a_time
from nocturne.settings import Settings
from nocturne.stack import airflow, kafka
from nocturne.stack.java import ensure_java
from nocturne.stack.mongod import mongod_command
from nocturne.stack.passwords import Passwords, ensure_passwords
from nocturne.stack.ports import HOST, Ports, allot_ports, require_free
from nocturne.stack.services import locate_services
from nocturne.stack.setup import set_up
from nocturne.stack.supervise import ProcessState, Program, Supervisor

if TYPE_CHECKING:
    from nocturne.stack.airflow_api import AirflowApi

Say = Callable[[str], None]
HEALTH_SECONDS = 180
# Slots that DAGs share: one Spark driver at a time fits a laptop, MongoDB takes a few writers.
POOLS = {"spark": 1, "mongo": 4}
# The supervisor's groups, in the order that they start; they stop in the reverse order.
SERVERS, AIRFLOW = "servers", "airflow"


@dataclass(frozen=True)
class Status:
    """What runs and where it is reached."""

    running: bool
    healthy: dict[str, bool]
    processes: list[ProcessState]
    addresses: dict[str, str]


@dataclass(frozen=True)
class Stack:
    """What starting programs takes."""

    settings: Settings
    supervisor: Supervisor
    ports: Ports
    passwords: Passwords
    environment: dict[str, str]


def bring_up(settings: Settings, say: Say) -> Settings:
    """Start what is not running, wait until all of it is healthy; the settings to use it with.

    Idempotent; a stack that runs with other settings is started anew. A server whose address is
    set from outside is not started here. Raises BadInput if a port is taken, ServiceUnavailable
    naming the log if something does not become healthy.
    """
    with starting_stack(settings, say) as stack:
        start_servers(stack, say)
        prepare_airflow(stack, say)
        wait_for_servers(stack, say)
        start_airflow(stack, say)
    return stack.settings


def bring_up_servers(settings: Settings, say: Say) -> Settings:
    """Kafka and MongoDB alone, for work that needs no Airflow; otherwise as `bring_up`."""
    with starting_stack(settings, say) as stack:
        start_servers(stack, say)
        wait_for_servers(stack, say)
    return stack.settings


@contextmanager
def starting_stack(settings: Settings, say: Say) -> Iterator[Stack]:
    """A supervised stack whose programs may be started; nobody else starts any meanwhile."""
    set_up(settings, say)
    settings.stack_dir.mkdir(parents=True, exist_ok=True)
    for folder in (settings.lineage_dir, settings.runs_dir):
        folder.mkdir(exist_ok=True)
    with one_at_a_time(settings.stack_dir / "up.lock"):
        ports = allot_ports(settings.stack_dir)
        passwords = ensure_passwords(settings.stack_dir)
        reachable = locate_services(settings, ports, passwords)
        supervisor = Supervisor(settings.stack_dir)
        environment = describe_environment(reachable, ports, passwords)
        stack = Stack(reachable, supervisor, ports, passwords, environment)
        stop_outdated(supervisor, environment, say)
        if not supervisor.is_running():
            start_supervisor(stack)
        yield stack


def describe_environment(settings: Settings, ports: Ports, passwords: Passwords) -> dict[str, str]:
    """All variables of the stack's processes, and so of Airflow's tasks."""
    return {
        **airflow.clean_environment(),
        **airflow.airflow_environment(settings, ports, passwords, ensure_java()),
        **settings_environment(settings),
    }


def settings_environment(settings: Settings) -> dict[str, str]:
    """The settings as the variables that tasks and Spark drivers read them from again."""
    return {
        f"NOCTURNE_{name.upper()}": str(value.absolute() if isinstance(value, Path) else value)
        for name, value in settings
        if value is not None and value != ""
    }


def stop_outdated(supervisor: Supervisor, environment: dict[str, str], say: Say) -> None:
    """Stop a stack that runs with other settings than these: its tasks would not see them."""
    if not supervisor.is_running():
        return
    before, now = only_settings(supervisor.environment()), only_settings(environment)
    changed = sorted(name for name, _ in before.items() ^ now.items())
    if changed:
        say(f"starting anew with other settings: {', '.join(dict.fromkeys(changed))}")
        supervisor.stop()


def only_settings(environment: dict[str, str]) -> dict[str, str]:
    names = {f"NOCTURNE_{name.upper()}" for name in Settings.model_fields}
    return {name: value for name, value in environment.items() if name in names}


def start_supervisor(stack: Stack) -> None:
    stack.supervisor.stop()
    java = Path(stack.environment["JAVA_HOME"]) / "bin/java"
    programs = describe_programs(stack.settings, stack.ports, stack.passwords, java)
    needed = needed_ports([program.name for program in programs])
    require_free(stack.ports, needed, stack.settings.stack_dir)
    stack.supervisor.start(programs, stack.environment)


def describe_programs(
    settings: Settings, ports: Ports, passwords: Passwords, java: Path
) -> list[Program]:
    """The processes of this stack; none for a server whose address is not here."""
    from nocturne.stack import mongo

    programs = []
    if is_embedded(settings.kafka_bootstrap, ports.kafka):
        command = kafka.write_kafka_files(
            settings.stack_dir / "kafka", ports, java, settings.runtime
        )
        programs.append(Program(SERVERS, "kafka", command))
    if is_embedded(settings.mongo_uri, ports.mongo):
        command = mongo.write_mongo_files(
            settings.stack_dir / "mongo", ports, passwords, mongod_command(settings.runtime)
        )
        programs.append(Program(SERVERS, "mongo", command))
    if is_embedded(settings.airflow_url, ports.airflow):
        programs += [
            Program(AIRFLOW, f"airflow-{name}", airflow.airflow_command(name))
            for name in airflow.PROCESSES
        ]
    return programs


def is_embedded(address: str, port: int) -> bool:
    return f"{HOST}:{port}" in address


def needed_ports(programs: list[str]) -> list[str]:
    needed = {
        "kafka": ["kafka", "kafka_controller"],
        "mongo": ["mongo"],
        "airflow-api-server": ["airflow"],
    }
    return [port for program in programs for port in needed.get(program, [])]


def start_servers(stack: Stack, say: Say) -> None:
    if starting := stack.supervisor.stopped(SERVERS):
        say("starting " + ", ".join(starting))
        stack.supervisor.start_group(SERVERS)


def prepare_airflow(stack: Stack, say: Say) -> None:
    """Done while the servers start, which takes as long."""
    if len(stack.supervisor.stopped(AIRFLOW)) == len(airflow.PROCESSES):
        say("bringing Airflow's database to its newest schema")
        airflow.prepare_airflow(stack.environment, stack.passwords)


def wait_for_servers(stack: Stack, say: Say) -> None:
    from nocturne.stack.mongo import is_mongo_healthy

    settings, logs = stack.settings, stack.settings.stack_dir / "logs"
    say("waiting for Kafka")
    wait_until(lambda: kafka.is_kafka_healthy(settings.kafka_bootstrap), "Kafka", logs)
    say("waiting for MongoDB")
    if is_embedded(settings.mongo_uri, stack.ports.mongo):
        wait_until(lambda: founded(stack.ports, stack.passwords), "MongoDB", logs)
    wait_until(lambda: is_mongo_healthy(settings.mongo_uri), "MongoDB", logs)


def start_airflow(stack: Stack, say: Say) -> None:
    settings, logs = stack.settings, stack.settings.stack_dir / "logs"
    stack.supervisor.start_group(AIRFLOW)
    say("waiting for Airflow")
    wait_until(lambda: airflow.is_airflow_healthy(settings.airflow_url), "Airflow", logs)
    with connect_airflow(settings) as api:
        api.ensure_pools(POOLS)


def founded(ports: Ports, passwords: Passwords) -> bool:
    from pymongo.errors import PyMongoError

    from nocturne.stack.mongo import found_replica_set

    try:
        found_replica_set(ports, passwords)
    except PyMongoError:
        return False
    return True


def wait_until(is_healthy: Callable[[], bool], name: str, logs: Path) -> None:
    deadline = time.monotonic() + HEALTH_SECONDS
    while not is_healthy():
        if time.monotonic() > deadline:
            raise ServiceUnavailable(
                f"{name} was not healthy after {HEALTH_SECONDS} s; its log is in {logs}."
            )
        time.sleep(0.5)


def bring_down(settings: Settings) -> None:
    """Stop every process of the stack; nothing is left running, no data is lost."""
    Supervisor(settings.stack_dir).stop()


@contextmanager
def connect_airflow(settings: Settings) -> Iterator["AirflowApi"]:
    """Airflow's REST API, logged in as this home's administrator."""
    import httpx

    from nocturne.stack.airflow_api import AirflowApi

    passwords = ensure_passwords(settings.stack_dir)
    with httpx.Client(base_url=settings.airflow_url, timeout=60) as client:
        yield AirflowApi.log_in(client, airflow.ADMIN, passwords.airflow_admin)


def read_status(settings: Settings) -> Status:
    """What runs now; nothing is started or written."""
    supervisor = Supervisor(settings.stack_dir)
    running = supervisor.is_running()
    return Status(
        running=running,
        healthy=check_health(settings),
        processes=supervisor.processes() if running else [],
        addresses={
            "airflow": settings.airflow_url,
            "kafka": settings.kafka_bootstrap,
            "mongo": settings.mongo_uri.rpartition("@")[2],
        },
    )


def check_health(settings: Settings) -> dict[str, bool]:
    """Health by server; False for one whose address is not known yet."""
    return {
        "kafka": bool(settings.kafka_bootstrap)
        and kafka.is_kafka_healthy(settings.kafka_bootstrap),
        "mongo": bool(settings.mongo_uri) and ask_mongo(settings.mongo_uri),
        "airflow": bool(settings.airflow_url) and airflow.is_airflow_healthy(settings.airflow_url),
    }


def ask_mongo(uri: str) -> bool:
    """Is it healthy? The driver takes half a second to load: only where there is one to ask."""
    from nocturne.stack.mongo import is_mongo_healthy

    return is_mongo_healthy(uri)
