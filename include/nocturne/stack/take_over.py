"""Starts a program of the stack in place of one that died: what that left behind ends first.

A scheduler that is killed leaves its workers, and with them a task that its successor starts
again. Run by the supervisor in the stack's folder: `python -m nocturne.stack.take_over COMMAND…`.
"""

import os
import sys
from pathlib import Path

from nocturne.stack.processes import end_orphans


def main() -> None:
    end_orphans(Path.cwd())
    os.execv(sys.argv[1], sys.argv[1:])  # noqa: S606


if __name__ == "__main__":
    main()
