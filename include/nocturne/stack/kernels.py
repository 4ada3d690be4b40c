"""Compiling the kernels of the audio features while the rest is fetched.

numba compiles when a kernel is first called, for nearly a minute of one core; otherwise that is a
newcomer's first extraction. What is compiled lies beside the sources.
"""

import hashlib
import platform
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from nocturne.errors import NocturneError
from nocturne.settings import PROJECT

SOURCES = PROJECT / "include/nocturne/audio"
MODULE = "nocturne.audio.features"
STAMP = "kernels.stamp"
SHOWN_CHARACTERS = 2000


@contextmanager
def compiling_kernels(runtime: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Compile beside what is done within, and wait for it at the end; nothing if it is done.

    Raises NocturneError with the compiler's last words if it fails.
    """
    stamp, wanted = runtime / STAMP, describe_kernels()
    if stamp.is_file() and stamp.read_text("utf-8") == wanted:
        yield
        return
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", MODULE],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as process:  # fmt: skip
        try:
            yield
            say("the kernels of the audio features")
            said, _ = process.communicate()
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        last = said.decode(errors="replace")[-SHOWN_CHARACTERS:]
        raise NocturneError(f"The kernels of the audio features cannot be compiled:\n{last}")
    stamp.write_text(wanted, encoding="utf-8")


def describe_kernels() -> str:
    """Changes when numba would compile anew: sources, versions, machine."""
    sources = sorted(SOURCES.glob("*.py"))
    content = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()
    versions = [f"{name} {version(name)}" for name in ("numba", "librosa", "numpy")]
    return "\n".join([str(SOURCES), content, *versions, platform.python_version(), find_cpu()])


def find_cpu() -> str:
    """The processor's name: what was compiled for one may not run on another."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text("utf-8").splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
