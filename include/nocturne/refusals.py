"""What was set aside, and why: one record for files, rows and messages alike."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from nocturne.errors import TooManyRefusals


@dataclass(frozen=True, order=True)
class Refusal:
    """Something that was refused by a named rule.

    `source` is the file it was found in (relative to the folder that was read), `key` the
    track id or line number inside it (empty for a whole file), `rule` a short fixed name,
    `reason` a sentence for a person.
    """

    source: str
    key: str
    rule: str
    reason: str


def write_refusals(path: Path, refusals: Iterable[Refusal]) -> None:
    """Write one JSON object a line, in sorted order, so that equal sets give equal bytes."""
    lines = [json.dumps(asdict(refusal), ensure_ascii=False) for refusal in sorted(refusals)]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def read_refusals(path: Path) -> list[Refusal]:
    # Not splitlines: a reason may hold one of Unicode's own line separators.
    lines = path.read_text("utf-8").split("\n")
    return [Refusal(**json.loads(line)) for line in lines if line]


def require_few(
    refused: int, total: int, limit: float, what: str, where: str = "the quarantine"
) -> None:
    """Raise TooManyRefusals if more than the share `limit` of `total` things was refused."""
    if total and refused / total > limit:
        raise TooManyRefusals(
            f"{refused} of {total} {what} were refused ({refused / total:.0%}); the limit is"
            f" {limit:.0%}. Look at {where} for the reasons, mend them, or raise"
            " NOCTURNE_MAX_REFUSED_SHARE."
        )
