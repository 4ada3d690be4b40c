"""A Java that Spark 4 and Kafka 4 accept."""

import os
import shutil
import subprocess
from pathlib import Path

from nocturne.errors import BadInput

# Spark 4 asks for this module, which trimmed runtimes lack.
NEEDED_MODULE = "jdk.incubator.vector"
DEBIAN_PACKAGE = "openjdk-17-jre-headless"
WANTED = (
    "Nocturne needs Java 17 or 21 with the module jdk.incubator.vector: install it (on Debian"
    f" `apt-get install {DEBIAN_PACKAGE}`), or set JAVA_HOME to one."
)


def find_java() -> Path | None:
    """The `java` of JAVA_HOME, or else of the PATH, if Spark can run on it."""
    homes = [Path(os.environ["JAVA_HOME"]) / "bin/java"] if os.environ.get("JAVA_HOME") else []
    on_path = shutil.which("java")
    candidates = [*homes, *([Path(on_path)] if on_path else [])]
    return next((java for java in candidates if is_suitable(java)), None)


def is_suitable(java: Path) -> bool:
    if not os.access(java, os.X_OK):
        return False
    listed = subprocess.run([java, "--list-modules"], capture_output=True, text=True, check=False)
    modules = dict(line.partition("@")[::2] for line in listed.stdout.splitlines())
    version = modules.get(NEEDED_MODULE, "0").partition(".")[0]
    return version in ("17", "21")


def ensure_java() -> Path:
    """Find Java, or install Debian's when root.

    Raises BadInput, saying what to do, where it cannot be had.
    """
    java = find_java()
    if java is None and os.geteuid() == 0 and shutil.which("apt-get"):
        install_debian_java()
        java = find_java()
    if java is None:
        raise BadInput(WANTED)
    return java


def install_debian_java() -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update"], ["install", "-y", "--no-install-recommends", DEBIAN_PACKAGE]):
        done = subprocess.run(
            ["/usr/bin/apt-get", "-qq", *arguments],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise BadInput(f"{WANTED} `apt-get {arguments[0]}` failed: {done.stderr.strip()}")
