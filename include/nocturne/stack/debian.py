"""Debian packages that the servers need, installed where we may."""

import os
import shutil
import subprocess

from nocturne.errors import BadInput


def may_install() -> bool:
    """Are we root on a system with apt-get?"""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def install_package(package: str) -> None:
    """Install a package. Raises BadInput with apt-get's own words if that fails."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update"], ["install", "-y", "--no-install-recommends", package]):
        done = subprocess.run(
            ["/usr/bin/apt-get", "-qq", *arguments],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise BadInput(
                f"{package} could not be installed: `apt-get {arguments[0]}` says"
                f" {done.stderr.strip()}"
            )
