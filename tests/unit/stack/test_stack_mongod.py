import re
import subprocess
import sys
from pathlib import Path

import pytest

from nocturne.errors import ServiceUnavailable
from nocturne.settings import load_settings
from nocturne.stack import mongod as mongod_module
from nocturne.stack.mongod import LOCK, ensure_mongod, link_openssl, mongod_command, run

linux = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere mongod needs no OpenSSL 1.1")


def files(folder: Path) -> dict[Path, int]:
    return {file: file.lstat().st_mtime_ns for file in folder.rglob("*")}


@linux
def test_only_mongod_sees_the_old_openssl():
    command = mongod_command(Path("/run time"))
    assert command == [
        "/usr/bin/env",
        "LD_LIBRARY_PATH=/run time/mongod/lib:/run time/mongod/psycopg2_binary.libs",
        "/run time/mongod/fiftyone/db/bin/mongod",
    ]


def test_elsewhere_mongod_starts_as_it_is(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert mongod_command(Path("/r")) == ["/r/mongod/fiftyone/db/bin/mongod"]


def test_every_wheel_is_pinned_by_hashes():
    lock = LOCK.read_text("utf-8")
    asked = re.findall(r"^[\w-]+==[\d.]+", (LOCK.parent / "mongod.in").read_text("utf-8"), re.M)
    pinned = re.findall(r"^([\w-]+==[\d.]+).*(?:\n    --hash=sha256:[0-9a-f]{64}.*)+", lock, re.M)
    assert pinned == asked != []


@linux
def test_openssl_gets_the_names_that_mongod_looks_for(tmp_path):
    bundled = tmp_path / "psycopg2_binary.libs"
    bundled.mkdir()
    for name in ("libssl-3e69114b.so.1.1", "libcrypto-ea28cf62.so.1.1", "libpq-5.15.so"):
        (bundled / name).touch()
    for _ in range(2):
        link_openssl(tmp_path)
        links = {link.name: link.resolve().name for link in (tmp_path / "lib").iterdir()}
        assert links == {
            "libssl.so.1.1": "libssl-3e69114b.so.1.1",
            "libcrypto.so.1.1": "libcrypto-ea28cf62.so.1.1",
        }


def test_what_is_installed_runs_and_is_left_alone(home):
    runtime = load_settings().runtime
    runtime.mkdir(parents=True, exist_ok=True)
    ensure_mongod(runtime)
    before = files(runtime / "mongod")
    ensure_mongod(runtime)
    assert files(runtime / "mongod") == before
    told = subprocess.run(
        [*mongod_command(runtime), "--version"], capture_output=True, text=True, check=True
    )
    assert "db version v6.0" in told.stdout


def test_a_half_done_installation_is_done_again(tmp_path, monkeypatch):
    installed = []

    def install(folder: Path) -> None:
        (folder / "psycopg2_binary.libs").mkdir(parents=True, exist_ok=True)
        for name in ("libssl-1.so.1.1", "libcrypto-1.so.1.1"):
            (folder / "psycopg2_binary.libs" / name).touch()
        mongod = folder / "fiftyone/db/bin/mongod"
        mongod.parent.mkdir(parents=True, exist_ok=True)
        mongod.write_text(f"#!/bin/sh\nexit {0 if installed else 1}\n")
        mongod.chmod(0o755)
        installed.append(folder)

    monkeypatch.setattr(mongod_module, "install_wheels", install)
    with pytest.raises(ServiceUnavailable, match="set NOCTURNE_MONGO_URI to a MongoDB of your own"):
        ensure_mongod(tmp_path)
    ensure_mongod(tmp_path)
    ensure_mongod(tmp_path)
    assert len(installed) == 2


def test_a_failure_carries_the_words_of_what_failed():
    with pytest.raises(ServiceUnavailable, match=r"^mongod could not be installed: no such wheel$"):
        run(["/bin/sh", "-c", "echo no such wheel >&2; exit 2"], "mongod could not be installed")
