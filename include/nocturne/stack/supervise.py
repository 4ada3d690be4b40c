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
from http.client import HTTPConnection
from pathlib import Path

import psutil

from nocturne.errors import BadInput, NocturneError

# The kernel refuses longer paths for a Unix socket (108 bytes on Linux, 104 on macOS).
LONGEST_SOCKET_PATH = 103
# Every process of a stack inherits this variable, so that none is left behind.
MARK = "NOCTURNE_STACK"


@dataclass(frozen=True)
class Program:
    """A process to keep alive."""

    name: str
    command: list[str]
    starts_alone: bool
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
        if len(str(self.socket)) > LONGEST_SOCKET_PATH:
            raise BadInput(
                f"NOCTURNE_HOME is too long a path: {self.socket} is over {LONGEST_SOCKET_PATH}"
                " characters, which no Unix socket can have. Choose a shorter one."
            )

    def start(self, programs: list[Program], environment: dict[str, str]) -> None:
        """Start supervisord, which starts those programs that start alone."""
        configuration = self.stack_dir / "supervisord.conf"
        with configuration.open("w", encoding="utf-8") as out:
            self.describe(programs).write(out)
        done = subprocess.run(
            [sys.executable, "-m", "supervisor.supervisord", "-c", configuration],
            env={**os.environ, **environment, MARK: str(self.stack_dir)},
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
        while not pid_file.is_file() or not pid_file.read_text("utf-8").strip():
            time.sleep(0.05)
        session_file(self.stack_dir).write_text(pid_file.read_text("utf-8"), encoding="utf-8")

    def describe(self, programs: list[Program]) -> configparser.RawConfigParser:
        logs = self.stack_dir / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        conf = configparser.RawConfigParser()
        conf["unix_http_server"] = {"file": str(self.socket), "chmod": "0700"}
        conf["rpcinterface:supervisor"] = {
            "supervisor.rpcinterface_factory": ("supervisor.rpcinterface:make_main_rpcinterface")
        }
        conf["supervisord"] = {
            "logfile": str(logs / "supervisord.log"),
            "pidfile": str(self.stack_dir / "supervisord.pid"),
            "childlogdir": str(logs),
        }
        for program in programs:
            conf[f"program:{program.name}"] = describe_program(program, logs)
        return conf

    def call(self, method: str, *arguments: object) -> object:
        """Call a method of supervisor's XML-RPC interface; OSError if nobody answers."""
        proxy = xmlrpc.client.ServerProxy("http://localhost", transport=UnixTransport(self.socket))
        return getattr(proxy.supervisor, method)(*arguments)

    def is_running(self) -> bool:
        try:
            self.call("getState")
        except OSError:
            return False
        return True

    def start_program(self, name: str) -> None:
        try:
            self.call("startProcess", name, False)
        except xmlrpc.client.Fault as fault:
            if "ALREADY_STARTED" not in fault.faultString:
                raise NocturneError(f"{name} did not start: {fault.faultString}") from fault

    def processes(self) -> list[ProcessState]:
        infos = self.call("getAllProcessInfo")
        if not isinstance(infos, list):
            raise NocturneError(f"supervisord answered {infos!r}")
        return [
            ProcessState(
                info["name"],
                info["statename"].lower(),
                info["pid"],
                info["now"] - info["start"] if info["pid"] else 0,
            )
            for info in infos
        ]

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

    def make_connection(self, host: object) -> HTTPConnection:
        return UnixConnection(self.path)


class UnixConnection(HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=30)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.path))


def describe_program(program: Program, logs: Path) -> dict[str, str]:
    return {
        "command": shlex.join(program.command).replace("%", "%%"),
        "autostart": str(program.starts_alone).lower(),
        "autorestart": "true",
        "startsecs": "2",
        "startretries": "20",
        "stopwaitsecs": str(program.stop_seconds),
        "stopasgroup": "true",
        "killasgroup": "true",
        "redirect_stderr": "true",
        "stdout_logfile": str(logs / f"{program.name}.log"),
        "stdout_logfile_maxbytes": "20MB",
        "stdout_logfile_backups": "3",
    }


def stack_processes(stack_dir: Path) -> list[psutil.Process]:
    """Every process that was started for this stack, however deep."""
    session = read_session(stack_dir)
    return [process for process in psutil.process_iter() if belongs(process, stack_dir, session)]


def belongs(process: psutil.Process, stack_dir: Path, session: int | None) -> bool:
    """Was this process started for the stack?

    Airflow writes its process titles over the variables that others could read, so that its
    orphans are known by supervisord's session and working folder instead.
    """
    try:
        if process.environ().get(MARK) == str(stack_dir):
            return True
        return os.getsid(process.pid) == session and process.cwd() == str(stack_dir)
    except (psutil.Error, OSError):
        return False


def end_processes(stack_dir: Path, patience_seconds: float = 30) -> None:
    """Wait for the stack's processes to end; kill those that have not, until none is left."""
    deadline = time.monotonic() + patience_seconds
    supervisor_pid = read_session(stack_dir)
    while left := stack_processes(stack_dir):
        orphaned = all(process.pid != supervisor_pid for process in left)
        if orphaned or time.monotonic() > deadline:
            for process in left:
                kill(process)
        psutil.wait_procs(left, timeout=1)
    session_file(stack_dir).unlink(missing_ok=True)


def kill(process: psutil.Process) -> None:
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return


def session_file(stack_dir: Path) -> Path:
    return stack_dir / "session"


def read_session(stack_dir: Path) -> int | None:
    """The session that supervisord leads, as the kernel numbers it: the pid it had or has."""
    path = session_file(stack_dir)
    return int(path.read_text("utf-8")) if path.is_file() else None
