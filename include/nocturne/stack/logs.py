"""The logs of the embedded servers."""

from collections.abc import Iterator
from pathlib import Path

from nocturne.errors import Misuse


def tail_logs(stack_dir: Path, name: str, lines: int) -> Iterator[tuple[Path, str]]:
    """The last lines of each log whose name begins so. Raises Misuse if there is none."""
    files = sorted((stack_dir / "logs").glob(f"{name}*.log"))
    if not files:
        known = ", ".join(sorted(file.stem for file in (stack_dir / "logs").glob("*.log")))
        raise Misuse(f"There is no log of {name or 'anything'}; known are: {known or 'none yet'}.")
    for file in files:
        with file.open(encoding="utf-8", errors="replace") as content:
            yield file, "".join(content.readlines()[-lines:]).rstrip()
