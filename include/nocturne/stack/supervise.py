"""The supervisor of the embedded processes: a process that dies comes back."""

import configparser
import os
import shlex
import socket
import subprocess
import sys
import time
import xmlrpc.client
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import psutil

from nocturne.errors import Misuse, NocturneError
from nocturne.stack.processes import MARK, end_processes, read_session, session_file

# The kernel takes 103 bytes as a Unix socket's path (107 on Linux, 103 on macOS), and supervisord
# binds it under a name of its own first: a dot and its pid, 8 bytes more.
LONGEST_SOCKET_PATH = 95
START_SECONDS = 20


@dataclass(frozen=True)
class Program:
    """A process to keep alive; those of a group are started together, and stopped together."""

    group: str
    name: str
    command: list[str]
    stop_seconds: int = 20


@dataclass(frozen=True)
class ProcessState:
    name: str
    state: str
    pid: int
    up_seconds: int


class Supervisor:
    """The supervisord of one stack folder, by its Unix socket."""

    def __init__(self, stack_dir: Path) -> None:
        self.stack_dir = stack_dir
        self.socket = stack_dir / "supervisor.sock"
        if len(os.fsencode(self.socket)) > LONGEST_SOCKET_PATH:
            raise Misuse(
                f"NOCTURNE_HOME is too long a path: {self.socket} is over {LONGEST_SOCKET_PATH}"
                " bytes, more than a Unix socket can have. Choose a shorter one."
            )

    def start(self, programs: list[Program], environment: dict[str, str]) -> None:
        """Start supervisord with these programs; `start_group` starts them.

        Groups are stopped in the reverse of the order that they are given in.
        """
        configuration = self.stack_dir / "supervisord.conf"
        (self.stack_dir / "logs").mkdir(parents=True, exist_ok=True)
        with configuration.open("w", encoding="utf-8") as out:
            describe(programs).write(out)
        # What a killed supervisord left would be taken for the pid of the one that starts now.
        (self.stack_dir / "supervisord.pid").unlink(missing_ok=True)
        done = subprocess.run(
            [sys.executable, "-m", "supervisor.supervisord", "-c", configuration],
            env={**environment, MARK: str(self.stack_dir.resolve())},
            cwd=self.stack_dir,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise NocturneError(f"supervisord did not start: {done.stdout}{done.stderr}")
        self.remember_session()

    def remember_session(self) -> None:
        """Keep the session's id: supervisord removes its own pid file when it ends."""
        pid_file = self.stack_dir / "supervisord.pid"
        deadline = time.monotonic() + START_SECONDS
        while not pid_file.is_file() or not pid_file.read_text("utf-8").strip():
            if time.monotonic() > deadline:
                log = self.stack_dir / "logs/supervisord.log"
                raise NocturneError(f"supervisord did not start; its log is {log}.")
            time.sleep(0.05)
        session_file(self.stack_dir).write_text(pid_file.read_text("utf-8"), encoding="utf-8")

    def call(self, method: str, *arguments: object) -> object:
        """Call a method of supervisor's XML-RPC interface; OSError if nobody answers."""
        transport = UnixTransport(self.socket)
        with xmlrpc.client.ServerProxy("http://localhost", transport=transport) as proxy:
            return getattr(proxy.supervisor, method)(*arguments)

    def is_running(self) -> bool:
        """Does supervisord answer, and is it not about to end?"""
        try:
            state = self.call("getState")
        except (OSError, HTTPException):
            return False
        return isinstance(state, dict) and state["statename"] == "RUNNING"

    def start_group(self, group: str) -> None:
        """Start those of a group that do not run, those that supervisord gave up included."""
        for name in self.stopped(group):
            try:
                self.call("startProcess", f"{group}:{name}", False)
            except xmlrpc.client.Fault as fault:
                if "ALREADY_STARTED" not in fault.faultString:
                    raise NocturneError(f"{name} did not start: {fault.faultString}") from fault

    def stopped(self, group: str) -> list[str]:
        """The programs of a group that do not run and are not being started again."""
        return [
            info["name"]
            for info in self.read_infos()
            if info["group"] == group and info["statename"] in ("STOPPED", "EXITED", "FATAL")
        ]

    def processes(self) -> list[ProcessState]:
        return [
            ProcessState(
                info["name"],
                info["statename"].lower(),
                info["pid"],
                info["now"] - info["start"] if info["pid"] else 0,
            )
            for info in self.read_infos()
        ]

    def read_infos(self) -> list[dict[str, Any]]:
        infos = self.call("getAllProcessInfo")
        if not isinstance(infos, list):
            raise NocturneError(f"supervisord answered {infos!r}")
        return infos

    def environment(self) -> dict[str, str]:
        """The variables that the running supervisord was started with."""
        return dict(psutil.Process(read_session(self.stack_dir)).environ())

    def stop(self) -> None:
        """Stop every process of the stack, those of a supervisord that died included."""
        if self.is_running():
            self.call("shutdown")
        end_processes(self.stack_dir)
        self.socket.unlink(missing_ok=True)


class UnixTransport(xmlrpc.client.Transport):
    """XML-RPC over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    def make_connection(self, host: Any) -> HTTPConnection:
        connection = UnixConnection(self.path)
        # Where the base class looks for what it has to close.
        self._connection = host, connection
        return connection


class UnixConnection(HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=30)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.path))


def describe(programs: list[Program]) -> configparser.RawConfigParser:
    """The configuration of a supervisord that is started in the stack's folder.

    Files are named relative to it: its path may hold what supervisord would interpret.
    """
    conf = configparser.RawConfigParser()
    conf["unix_http_server"] = {"file": "supervisor.sock", "chmod": "0700"}
    conf["rpcinterface:supervisor"] = {
        "supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"
    }
    conf["supervisord"] = {
        "logfile": "logs/supervisord.log",
        "pidfile": "supervisord.pid",
        "childlogdir": "logs",
    }
    for program in programs:
        conf[f"program:{program.name}"] = describe_program(program)
    for priority, group in enumerate(dict.fromkeys(program.group for program in programs)):
        names = ",".join(program.name for program in programs if program.group == group)
        conf[f"group:{group}"] = {"programs": names, "priority": str(priority)}
    return conf


def describe_program(program: Program) -> dict[str, str]:
    return {
        "command": quote_command(program.command),
        "autostart": "false",
        "autorestart": "true",
        "startsecs": "2",
        "startretries": "20",
        "stopwaitsecs": str(program.stop_seconds),
        "stopasgroup": "true",
        "killasgroup": "true",
        "redirect_stderr": "true",
        "stdout_logfile": f"logs/{program.name}.log",
        "stdout_logfile_maxbytes": "20MB",
        "stdout_logfile_backups": "3",
    }


def quote_command(command: list[str]) -> str:
    """A command as supervisord reads it: split as by a shell, after `%(name)s` was replaced and
    what follows a blank and `#` or `;` was cut off.
    """
    line = shlex.join(command).replace("%", "%%")
    # shlex.join has put these within single quotes; with double ones around, no blank precedes.
    return line.replace("#", "'\"#\"'").replace(";", "'\";\"'")
