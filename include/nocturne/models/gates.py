"""The gates: what a candidate must pass before it goes live."""

from dataclasses import asdict, dataclass
from typing import Any

from nocturne.errors import BadInput


@dataclass(frozen=True)
class Verdict:
    """One row of the gate table."""

    rule: str
    value: float
    threshold: float
    passed: bool
    meaning: str


def judge(
    tracks: int, rows: int, shortest_list: int, wanted_list: int, largest_share: float,
    max_cluster_share: float, stored_as_meant: bool,
) -> list[Verdict]:  # fmt: skip
    """The verdicts on a candidate's tables.

    `wanted_list` is the length that a track's list should have, `largest_share` is 0 where the
    library was not clustered.
    """
    complete = min(wanted_list, max(tracks - 1, 0))
    return [
        Verdict("tracks", tracks, 2, tracks >= 2, "there is something to recommend"),
        Verdict("rows", rows, tracks, rows == tracks, "every track has its row"),
        Verdict(
            "shortest_list", shortest_list, complete, shortest_list >= complete,
            "no track has fewer neighbours than asked for",
        ),
        Verdict(
            "largest_cluster", largest_share, max_cluster_share,
            largest_share <= max_cluster_share, "no cluster holds too much of the library",
        ),
        Verdict(
            "stored_as_built", float(stored_as_meant), 1, stored_as_meant,
            "rows and hashes in MongoDB are those that were built",
        ),
    ]  # fmt: skip


def describe_verdicts(verdicts: list[Verdict]) -> list[dict[str, Any]]:
    return [asdict(verdict) for verdict in verdicts]


def require_passed(version: str, verdicts: list[Verdict]) -> None:
    """Raise BadInput with the reasons if a gate refused the candidate."""
    if refused := [verdict for verdict in verdicts if not verdict.passed]:
        reasons = "; ".join(
            f"{verdict.rule} is {verdict.value:g}, not {verdict.threshold:g} ({verdict.meaning})"
            for verdict in refused
        )
        raise BadInput(f"Candidate {version} was refused: {reasons}. What was live stays live.")
