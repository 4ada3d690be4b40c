"""A shard: pytest with its share of the tests, in a home of its own, and what it says."""

import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import monotonic

import psutil

from nocturne.bench.process_tree import kill_session
from nocturne.stack.ports import allot_other_ports
from nocturne.stack.processes import session_file
from nocturne.stack.supervise import Supervisor

WAITING = ("nightly", "airflow")
"""They mostly wait for Airflow: the tests of the nightly DAG, and all others that need Airflow."""
WAITING_FOLDERS = ("tests/integration", "tests/browser")
"""Where they find their tests; importing all others takes most of a minute."""
UNIT = "unit"
"""What needs no server and no Spark; computes when the shards that wait have ended."""
UNIT_FOLDER = "tests/unit"
COMPUTING = "rest"
SHARDS = (*WAITING, UNIT, COMPUTING)
NICENESS = 10
"""Of the shards that compute: servers that start beside them have limits of time."""
FOREIGN = ("NOCTURNE_", "AIRFLOW")
"""Variables of a user's own Nocturne or Airflow that must not leak into the tests."""
NOT_FOREIGN = ("NOCTURNE_REAL_DATA", "NOCTURNE_RUNTIME")
LAST_FAILED = Path("v/cache/lastfailed")
"""In a cache of pytest."""
WIDTH = max(map(len, SHARDS))
# Where a line begins so, progress is over and pytest sums up.
SUMMARY = re.compile(r"(\x1b\[[\d;]*m)*(={3,} (?!test session starts)|!{3,} )")
printing = threading.Lock()


def forget_foreign_variables() -> None:
    for name in [name for name in os.environ if name.startswith(FOREIGN)]:
        if name not in NOT_FOREIGN:
            del os.environ[name]


def show(text: str) -> None:
    """Print lines that no other shard's come between; where nobody reads them, ask for the end."""
    with printing:
        try:
            print(text, flush=True)  # noqa: T201
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            os.kill(os.getpid(), signal.SIGTERM)


@dataclass
class Shard:
    """One of SHARDS; `folder` is where all of them lie."""

    name: str
    folder: Path
    process: subprocess.Popen[bytes] | None = None
    reader: threading.Thread | None = None
    summary: list[str] = field(default_factory=list)
    began: float = 0.0
    seconds: float = 0.0
    finished: bool = False

    @property
    def home(self) -> Path:
        return self.folder / self.name

    @property
    def cache(self) -> Path:
        """pytest's, where others do not write."""
        return self.folder / f"{self.name}.cache"

    def prepare(self, taken: set[int]) -> None:
        """Make its home, with ports that are not among the `taken` ones, and add them to those."""
        stack = self.home / "stack"
        stack.mkdir(parents=True)
        taken.update(asdict(allot_other_ports(stack, taken)).values())

    def start(self, arguments: list[str], columns: int) -> None:
        """Start pytest in a session of its own: a Ctrl-C on the terminal is for us to pass on."""
        own = [
            "--shard",
            self.name,
            "--shard-folder",
            str(self.folder),
            "-o",
            f"cache_dir={self.cache}",
        ]
        self.began = monotonic()
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "pytest",
                *own,
                "--no-header",
                *choose_arguments(self.name),
                *arguments,
            ],
            env={**os.environ, "PYTHONUNBUFFERED": "1", "COLUMNS": str(columns - WIDTH - 3)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        if self.name not in WAITING:
            psutil.Process(self.process.pid).nice(NICENESS)
        self.reader = threading.Thread(target=self.follow, args=[self.process], daemon=True)
        self.reader.start()

    def follow(self, process: subprocess.Popen[bytes]) -> None:
        """Show progress as it comes; keep the summary, to show it in one piece."""
        with process.stdout or io.BytesIO() as said:
            for raw in said:
                line = raw.decode("utf-8", "replace").rstrip("\n")
                if self.summary or SUMMARY.match(line):
                    self.summary.append(line)
                elif line:
                    show(f"{self.name:>{WIDTH}} │ {line}")

    def has_begun(self) -> bool:
        return self.process is not None

    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def interrupt(self) -> None:
        """Have pytest end its test and take down its fixtures, and with them its servers."""
        if self.process is not None and self.is_running():
            self.process.send_signal(signal.SIGINT)

    def end_by(self, deadline: float) -> None:
        """Kill it unless it ends by itself before a moment of `monotonic`."""
        if self.process is None:
            return
        try:
            self.process.wait(max(0.0, deadline - monotonic()))
        except subprocess.TimeoutExpired:
            show(f"{self.name:>{WIDTH}} │ does not end, so it is killed")
            kill_session(self.process)

    def finish(self) -> None:
        """End what is left of a shard that has ended, and show its summary."""
        if self.finished or self.process is None or self.reader is None:
            return
        self.finished, self.seconds = True, monotonic() - self.began
        kill_session(self.process)
        if session_file(self.home / "stack").is_file():
            Supervisor(self.home / "stack").stop()
        self.reader.join()
        show("\n".join([f"{self.name:>{WIDTH}} ┴ {'─' * 40}", *self.summary]))

    def count(self) -> Counter[str]:
        """Its tests by what came of them, as tests/conftest.py leaves it; nothing if it died."""
        file = self.folder / f"{self.name}.json"
        return Counter(json.loads(file.read_text("utf-8")) if file.is_file() else {})

    def last_failed(self) -> dict[str, bool]:
        """The failed tests, as pytest keeps them for `--lf`."""
        file = self.cache / LAST_FAILED
        found: dict[str, bool] = json.loads(file.read_text("utf-8")) if file.is_file() else {}
        return found

    def exit_code(self) -> int:
        """pytest's; as in a shell if a signal ended it."""
        if self.process is None:
            return 0
        code = self.process.returncode
        return 128 - code if code < 0 else code


def choose_arguments(name: str) -> list[str]:
    """The folders of a shard; a line for each test where they are few and take long."""
    if name in WAITING:
        return ["-v", *WAITING_FOLDERS]
    return [UNIT_FOLDER] if name == UNIT else ["tests"]
