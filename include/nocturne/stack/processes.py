"""The processes of a stack: every one that was started for it, however deep, and their end."""

import os
import time
from pathlib import Path

import psutil

# Every process of a stack inherits this variable, so that none is left behind.
MARK = "NOCTURNE_STACK"


def stack_processes(stack_dir: Path) -> list[psutil.Process]:
    """Every process that was started for this stack, however deep."""
    folder, session = str(stack_dir.resolve()), read_session(stack_dir)
    return [process for process in psutil.process_iter() if belongs(process, folder, session)]


def belongs(process: psutil.Process, folder: str, session: int | None) -> bool:
    """Was this process started for the stack?

    Airflow writes its process titles over the variables that others could read, so that its
    orphans are known by supervisord's session and working folder instead.
    """
    try:
        if process.environ().get(MARK) == folder:
            return True
        return os.getsid(process.pid) == session and process.cwd() == folder
    except (psutil.Error, OSError):
        return False


def end_processes(stack_dir: Path, patience_seconds: float = 60) -> None:
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


def end_orphans(stack_dir: Path) -> None:
    """Kill what the stack's programs left when they died, and all that it has started."""
    while orphans := find_orphans(stack_dir):
        for process in orphans:
            kill(process)
        psutil.wait_procs(orphans, timeout=1)


def find_orphans(stack_dir: Path) -> list[psutil.Process]:
    """The stack's processes whose parent is none of them; supervisord has none by right."""
    session, processes = read_session(stack_dir), stack_processes(stack_dir)
    family = {process.pid for process in processes}
    if session not in family:
        return []
    return [one for one in processes if one.pid != session and parent(one) not in family]


def parent(process: psutil.Process) -> int | None:
    try:
        return int(process.ppid())
    except psutil.NoSuchProcess:
        return None


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
