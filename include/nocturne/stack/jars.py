"""The jars of the broker and of Spark's connectors: pinned in jars.lock, fetched once, checked.

pyspark ships Ivy, so no Maven is needed. Every jar is listed with its SHA-256, and Ivy is told
to resolve nothing beyond the list.
"""

import hashlib
import importlib.util
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import quoteattr

from nocturne.errors import BadInput, ServiceUnavailable

HERE = Path(__file__).parent
LOCK = HERE / "jars.lock"
FETCH_SECONDS = 540


@dataclass(frozen=True)
class Jar:
    jar_set: str
    organisation: str
    module: str
    revision: str
    sha256: str

    @property
    def file_name(self) -> str:
        return f"{self.module}-{self.revision}.jar"


def read_lock(lock: Path = LOCK) -> list[Jar]:
    lines = lock.read_text("utf-8").splitlines()
    return [Jar(*line.split()) for line in lines if line and not line.startswith("#")]


def jar_paths(runtime: Path, jar_set: str) -> list[Path]:
    """Where the jars of a set are: `kafka` (the broker) or `spark` (connectors, lineage)."""
    return [runtime / jar_set / jar.file_name for jar in read_lock() if jar.jar_set == jar_set]


def ensure_jars(runtime: Path, java: Path) -> None:
    """Fetch what is missing of all sets and check every jar that was fetched.

    Raises ServiceUnavailable if the registry does not give a jar, BadInput if a jar is not the
    one that was pinned.
    """
    stamp = runtime / "jars.stamp"
    wanted = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    jars = read_lock()
    complete = all((runtime / jar.jar_set / jar.file_name).is_file() for jar in jars)
    if complete and stamp.is_file() and stamp.read_text("utf-8") == wanted:
        return
    names = sorted({jar.jar_set for jar in jars})
    by_set = {name: [jar for jar in jars if jar.jar_set == name] for name in names}
    # Ivy asks for one jar after the other, and mostly waits.
    with ThreadPoolExecutor(len(by_set)) as pool:
        list(pool.map(lambda item: complete_set(runtime, java, *item), by_set.items()))
    stamp.write_text(wanted, encoding="utf-8")


def complete_set(runtime: Path, java: Path, jar_set: str, jars: list[Jar]) -> None:
    """Fetch what is missing or not what is pinned; a jar that is right may be in use."""
    target = runtime / jar_set
    target.mkdir(parents=True, exist_ok=True)
    for stray in set(target.glob("*.jar")) - {target / jar.file_name for jar in jars}:
        stray.unlink()
    if lacking := [jar for jar in jars if hash_file(target / jar.file_name) != jar.sha256]:
        fetch_jars(runtime, java, target, lacking)


def fetch_jars(runtime: Path, java: Path, target: Path, jars: list[Jar]) -> None:
    request = runtime / f"{target.name}.ivy.xml"
    request.write_text(describe_dependencies(target.name, jars), encoding="utf-8")
    run_ivy(runtime, java, request, target)
    # Kept after a failure only: it would give a jar that is refused below again and again.
    shutil.rmtree(cache_folder(runtime, target.name), ignore_errors=True)
    for jar in jars:
        check_jar(target / jar.file_name, jar)


def hash_file(path: Path) -> str | None:
    """SHA-256 of a file, or None if there is none."""
    if not path.is_file():
        return None
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def describe_dependencies(jar_set: str, jars: list[Jar]) -> str:
    """An Ivy file that asks for exactly these jars and nothing that they depend on."""
    lines = [
        f"<dependency org={quoteattr(jar.organisation)} name={quoteattr(jar.module)}"
        f' rev={quoteattr(jar.revision)} conf="default->master" transitive="false"/>'
        for jar in jars
    ]
    return (
        f'<ivy-module version="2.0"><info organisation="nocturne" module="{jar_set}"/>'
        '<configurations><conf name="default"/></configurations>'
        f"<dependencies>{''.join(lines)}</dependencies></ivy-module>"
    )


def run_ivy(runtime: Path, java: Path, request: Path, target: Path) -> None:
    command = [
        str(java),
        f"-Dnocturne.ivy.cache={cache_folder(runtime, target.name)}",
        "-cp",
        f"{pyspark_folder() / 'jars'}/*",
        "org.apache.ivy.Main",
        *("-settings", str(HERE / "ivysettings.xml"), "-ivy", str(request)),
        *("-confs", "default", "-types", "jar", "bundle"),
        *("-retrieve", f"{target}/[artifact]-[revision].[ext]"),
    ]
    log = runtime / f"{target.name}.ivy.log"
    with log.open("w", encoding="utf-8") as out:
        try:
            subprocess.run(command, stdout=out, stderr=out, check=True, timeout=FETCH_SECONDS)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            raise ServiceUnavailable(
                f"Ivy could not fetch the {target.name} jars from Maven Central; its words are"
                f" in {log}. Check the network and try again."
            ) from error


def cache_folder(runtime: Path, jar_set: str) -> Path:
    """Ivy's, of one set: two Ivys at once would meet each other's half-written files."""
    return runtime / f"{jar_set}.ivy-cache"


def check_jar(path: Path, jar: Jar) -> None:
    if not path.is_file():
        raise ServiceUnavailable(f"Maven Central did not give {jar.file_name}; try again.")
    found = hash_file(path)
    if found != jar.sha256:
        path.unlink()
        raise BadInput(
            f"{path} is not the jar that jars.lock pins (SHA-256 {found}, not {jar.sha256});"
            " it was removed. Try again, and distrust the network if it comes back."
        )


def pyspark_folder() -> Path:
    """Where pyspark is installed, without importing it."""
    spec = importlib.util.find_spec("pyspark")
    if spec is None or spec.origin is None:
        raise BadInput("pyspark is not installed: remove .venv and start ./nocturne again.")
    return Path(spec.origin).parent
