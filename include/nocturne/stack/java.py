"""A Java that Spark 4 and Kafka 4 accept."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from nocturne.errors import BadInput
from nocturne.stack.debian import install_package, may_install

# Spark 4 asks for this module, which trimmed runtimes lack.
NEEDED_MODULE = "jdk.incubator.vector"
DEBIAN_PACKAGE = "openjdk-17-jre-headless"
HOME_LINE = re.compile(r"^\s*java\.home = (.+)$", re.MULTILINE)
WANTED = (
    "Nocturne needs Java 17 or 21 with the module jdk.incubator.vector: install it (on Debian"
    f" `apt-get install {DEBIAN_PACKAGE}`), or set JAVA_HOME to one."
)


def find_java() -> Path | None:
    """The `java` of JAVA_HOME, or else of the PATH, if Spark can run on it."""
    homes = [Path(os.environ["JAVA_HOME"]) / "bin/java"] if os.environ.get("JAVA_HOME") else []
    on_path = shutil.which("java")
    candidates = [*homes, *([Path(on_path)] if on_path else [])]
    return next((java for java in map(find_suitable, candidates) if java), None)


def find_suitable(java: Path) -> Path | None:
    """The `java` that a launcher, a link or a version manager's shim runs, if it will do."""
    command = [str(java), "-XshowSettings:properties", "--list-modules"]
    try:
        asked = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return None
    modules = dict(line.partition("@")[::2] for line in asked.stdout.splitlines())
    version = modules.get(NEEDED_MODULE, "0").partition(".")[0]
    home = HOME_LINE.search(asked.stderr)
    return Path(home[1]) / "bin/java" if home and version in ("17", "21") else None


def ensure_java() -> Path:
    """Find Java, or install Debian's when root.

    Raises BadInput, saying what to do, where it cannot be had.
    """
    java = find_java()
    if java is None and may_install():
        install_package(DEBIAN_PACKAGE)
        java = find_java()
    if java is None:
        raise BadInput(WANTED)
    return java
