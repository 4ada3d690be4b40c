"""The ports of the embedded servers: chosen once for a NOCTURNE_HOME, then kept."""

import json
import random
import socket
from collections.abc import Set
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import psutil
from pydantic import Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from nocturne.errors import BadInput

HOST = "127.0.0.1"
FIRST_PORT = 10_000
"""Below it are many that servers are known for."""
IANA_FIRST_OUTGOING = 49_152
OUTGOING_PORTS = Path("/proc/sys/net/ipv4/ip_local_port_range")
Port = Annotated[int, Field(ge=1, le=65535)]


@dataclass(frozen=True)
class Ports:
    """TCP ports on 127.0.0.1; the defaults are the ones that each server is known for."""

    kafka: Port = 9092
    kafka_controller: Port = 9093
    mongo: Port = 27017
    airflow: Port = 8080


def read_ports(stack_dir: Path) -> Ports | None:
    """The ports that this home has, or None before its first `up`.

    Raises BadInput if somebody has written something else into the file.
    """
    path = stack_dir / "ports.json"
    if not path.is_file():
        return None
    try:
        return TypeAdapter(Ports).validate_json(path.read_bytes())
    except ValidationError as error:
        raise BadInput(f"{path} does not hold a port for each server: {error}") from error


def allot_ports(stack_dir: Path) -> Ports:
    """This home's ports: the known ones where they are free, else any free ones, for good.

    The choice is written down, so that a MongoDB replica set and Airflow's links keep their
    addresses over restarts. A home may be given its ports by writing the file first.
    """
    kept = read_ports(stack_dir)
    if kept is not None:
        return kept
    chosen: dict[str, int] = {}
    for name, usual in asdict(Ports()).items():
        chosen[name] = usual if is_free(usual) else find_free_port(set(chosen.values()))
    return write_ports(stack_dir, chosen)


def allot_other_ports(stack_dir: Path, taken: Set[int] = frozenset()) -> Ports:
    """Free ports for a new home that must not take the known ones from a user's own stack, nor
    those that are `taken` by homes whose servers have not started yet.
    """
    chosen: dict[str, int] = {}
    known = set(asdict(Ports()).values())
    for name in asdict(Ports()):
        chosen[name] = find_free_port({*taken, *known, *chosen.values()})
    return write_ports(stack_dir, chosen)


def write_ports(stack_dir: Path, chosen: dict[str, int]) -> Ports:
    ports = Ports(**chosen)
    (stack_dir / "ports.json").write_text(json.dumps(asdict(ports), indent=2), encoding="utf-8")
    return ports


def is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def find_free_port(taken: set[int]) -> int:
    """A free port that no outgoing connection is given before its server starts, or starts again.

    Two processes that choose at the same time hardly choose the same.
    """
    while True:
        port = random.SystemRandom().choice(list_ports_for_servers())
        if port not in taken and is_free(port):
            return port


def list_ports_for_servers() -> range:
    """Those below the ones that the kernel gives to outgoing connections."""
    try:
        first_outgoing = int(OUTGOING_PORTS.read_text("ascii").split()[0])
    except OSError:  # not Linux
        first_outgoing = IANA_FIRST_OUTGOING
    enough = first_outgoing > FIRST_PORT + 1000
    return range(FIRST_PORT, first_outgoing) if enough else range(FIRST_PORT, 65536)


def require_free(ports: Ports, names: list[str], stack_dir: Path) -> None:
    """Raise BadInput, naming the owner, if a server's port is taken."""
    for name in names:
        port = getattr(ports, name)
        if not is_free(port):
            raise BadInput(
                f"Port {port}, which {name} needs, is taken by {describe_owner(port)}. Stop that"
                f" process, or give {name} another port in {stack_dir / 'ports.json'}."
            )


def describe_owner(port: int) -> str:
    try:
        found = psutil.net_connections("tcp")
    except psutil.AccessDenied:  # macOS tells root alone
        found = []
    owners = [one for one in found if one.laddr and one.laddr.port == port]
    owners.sort(key=lambda one: one.status != psutil.CONN_LISTEN)
    return describe_process(owners[0].pid if owners else None)


def describe_process(pid: int | None) -> str:
    if pid is None:
        return "a process of another user"
    try:
        return f"process {pid} ({' '.join(psutil.Process(pid).cmdline())[:120]})"
    except psutil.Error:
        return f"process {pid}"
