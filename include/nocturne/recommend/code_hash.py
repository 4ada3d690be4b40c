"""A hash of the code and constants that shape what is published, as a part of a version's name."""

import hashlib
from functools import cache
from pathlib import Path

from nocturne.settings import PROJECT

PACKAGES = ("models", "recommend")
JOBS = ("spark_jobs/train_clusters.py", "spark_jobs/train_taste.py")
READERS = {
    *("models/figures.py", "models/gates.py", "models/interaction_rows.py", "models/pairing.py"),
    *("models/report.py", "recommend/code_hash.py", "recommend/lookup.py"),
    *("recommend/stored_lists.py", "recommend/titles.py"),
}
"""What only judges, shows or searches what was built. A new module counts unless it is named."""


@cache
def hash_code() -> str:
    """SHA-256 over the names and texts of the modules, in the order of their names."""
    digest = hashlib.sha256()
    for name, file in sorted(list_code().items()):
        text = file.read_bytes()
        digest.update(f"{name} {len(text)}\n".encode() + text)
    return digest.hexdigest()


def list_code() -> dict[str, Path]:
    """The files by name. Raises FileNotFoundError if a job is not beside the package."""
    package = Path(__file__).resolve().parents[1]
    found = {
        file.relative_to(package).as_posix(): file
        for name in PACKAGES
        for file in (package / name).rglob("*.py")
    }
    jobs = {name: PROJECT / name for name in JOBS}
    return {name: file for name, file in found.items() if name not in READERS} | jobs
