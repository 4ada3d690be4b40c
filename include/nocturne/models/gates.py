"""The gates: what a candidate must pass before it goes live."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from nocturne.errors import BadInput

if TYPE_CHECKING:
    from nocturne.models.pairing import Paired

Document = dict[str, Any]
# Fewer neighbours than this share found by the approximate search make lists that are wrong.
LEAST_RECALL = 0.95
# Below so many listeners a mean of their rankings says nothing.
FEWEST_JUDGED = 10
METRIC = "ndcg@10"
OURS, POPULARITY = "nocturne", "popularity"


@dataclass(frozen=True)
class Limits:
    """The thresholds that settings give; shares are of 1."""

    max_cluster_share: float
    min_stability: float
    max_silhouette_drop: float
    max_rows_lost: float
    max_ranking_drop: float


@dataclass(frozen=True)
class Verdict:
    """One row of the gate table; `value` is None where there is nothing to judge."""

    rule: str
    value: float | None
    threshold: float | None
    passed: bool
    meaning: str


@dataclass(frozen=True)
class Stored:
    """What MongoDB holds of a version's table, beside what was built.

    `shortest` is the length of the shortest list, `wanted` what that should be at least.
    """

    table: str
    rows: int
    expected_rows: int
    shortest: int
    wanted: int
    as_built: bool


def judge(
    model: Document,
    champion: Document | None,
    tables: list[Stored],
    limits: Limits,
    paired: "Paired | None" = None,
    overlap: float = 1.0,
) -> list[Verdict]:
    """The verdicts on a candidate: `model` and `champion` are documents of `models`.

    Without a champion (none is live, or it is of another library or a newer day) the rules that
    compare with it have nothing to judge, and pass. `paired` is how both rank for the same
    listeners, None where too few have the same held out; `overlap` the share of both libraries'
    tracks that are in both.
    """
    return [
        at_least("tracks", model["inputs"]["tracks"], 2, "there is something to recommend"),
        *(verdict for stored in tables for verdict in judge_table(stored)),
        *judge_clusters(model, champion, limits, overlap),
        *judge_neighbours(model),
        judge_size(model, champion, limits),
        *judge_ranking(model, paired),
        *judge_losses(model, champion),
    ]


def judge_table(stored: Stored) -> Iterator[Verdict]:
    name = stored.table
    complete = stored.rows == stored.expected_rows
    yield Verdict(f"{name}.rows", stored.rows, stored.expected_rows, complete, "nobody is left out")
    yield at_least(f"{name}.shortest", stored.shortest, stored.wanted, "every list is full")
    meaning = "rows and hashes in MongoDB are those that were built"
    yield Verdict(f"{name}.as_built", float(stored.as_built), 1, stored.as_built, meaning)


def judge_clusters(
    model: Document, champion: Document | None, limits: Limits, overlap: float
) -> Iterator[Verdict]:
    """Where the champion has clusters and the candidate none, what it tried is judged: no k kept
    within both limits. Silhouettes over other tracks are not compared.
    """
    lost = find_final(champion) and not find_final(model)
    final = find_closest(model) if lost else find_final(model)
    yield at_most(
        "clusters.largest_share", final.get("largest_share"), limits.max_cluster_share,
        "no cluster holds too much of the library",
    )  # fmt: skip
    yield at_least(
        "clusters.stability", final.get("stability"), limits.min_stability,
        "other seeds find the same clusters (adjusted Rand index)",
    )  # fmt: skip
    alike = overlap >= 1 - limits.max_rows_lost
    before = find_final(champion).get("silhouette") if alike else None
    yield at_least(
        "clusters.silhouette", find_final(model).get("silhouette"),
        None if before is None else before - limits.max_silhouette_drop,
        "the clusters are not much vaguer than the champion's",
    )  # fmt: skip


def judge_neighbours(model: Document) -> Iterator[Verdict]:
    recall = model.get("neighbours", {}).get("recall")
    yield at_least("neighbours.recall", recall, LEAST_RECALL, "the search finds the nearest tracks")


def judge_size(model: Document, champion: Document | None, limits: Limits) -> Verdict:
    before = champion["inputs"]["tracks"] if champion else None
    least = None if before is None else before * (1 - limits.max_rows_lost)
    tracks = model["inputs"]["tracks"]
    return at_least("rows_kept", tracks, least, "the library has not shrunk unexpectedly")


def judge_ranking(model: Document, paired: "Paired | None") -> Iterator[Verdict]:
    value, popularity = find_metric(model, OURS), find_metric(model, POPULARITY)
    yield at_least(
        f"{METRIC}.popularity", value, popularity,
        "taste ranks held-out tracks no worse than popularity",
    )  # fmt: skip
    meaning = "taste ranks held-out tracks not much worse than the champion"
    if paired is None:
        yield Verdict(f"{METRIC}.champion", value, None, True, meaning)
        return
    told = (
        f"{meaning}, for the same {paired.listeners} listeners (95 % interval of the difference"
        f" {paired.low:+.3f} to {paired.high:+.3f}; refused only if all of it is below 0)"
    )
    yield Verdict(f"{METRIC}.champion", paired.ours, paired.least, paired.high >= 0, told)


def judge_losses(model: Document, champion: Document | None) -> Iterator[Verdict]:
    """What the champion has and the candidate has none of; how much of it others judge."""
    losses = {
        "clusters_kept": (count_clusterings, 1, "clusters are not lost"),
        "listeners_kept": (count_listeners, 1, "listeners are not lost"),
        "ranking_kept": (count_judged, FEWEST_JUDGED, "taste can still be judged"),
    }
    for rule, (count, enough, meaning) in losses.items():
        threshold = 1 if champion and count(champion) >= enough else None
        yield at_least(rule, count(model), threshold, meaning)


def judge_library(replaced: str | None, allowed: bool) -> Verdict:
    """`replaced` is the live version of another library, if the candidate would take its place."""
    meaning = "another library does not take the place of the live one unasked"
    if replaced is not None:
        meaning += f": live is {replaced}; `run --yes`, `replace_library` or an approval allows it"
    same = float(replaced is None)
    return Verdict("library_kept", same, 0.0 if allowed else 1.0, bool(same) or allowed, meaning)


def count_clusterings(model: Document) -> int:
    return int(bool(find_final(model)))


def count_listeners(model: Document) -> int:
    return int(model["inputs"].get("listeners", 0))


def count_judged(model: Document) -> int:
    return int((model.get("ranking") or {}).get("judged", 0))


def find_closest(model: Document) -> Mapping[str, Any]:
    """Of the clusterings that were tried and not chosen the one of the least large cluster."""
    tried = (model.get("clustering") or {}).get("clusterings") or [{}]
    closest: Mapping[str, Any] = min(tried, key=lambda one: one.get("largest_share", 1.0))
    return closest


def find_final(model: Document | None) -> Mapping[str, Any]:
    """The figures of the final clustering; nothing where there is none."""
    return ((model or {}).get("clustering") or {}).get("final") or {}


def find_metric(model: Document | None, name: str) -> float | None:
    """A model's mean on the test part; None where too few listeners were judged."""
    ranking = (model or {}).get("ranking") or {}
    if ranking.get("judged", 0) < FEWEST_JUDGED:
        return None
    rows = {row["model"]: row[METRIC] for row in ranking["models"]}
    return float(rows[name])


def at_least(rule: str, value: float | None, threshold: float | None, meaning: str) -> Verdict:
    passed = value is None or threshold is None or value >= threshold
    return Verdict(rule, value, threshold, passed, meaning)


def at_most(rule: str, value: float | None, threshold: float, meaning: str) -> Verdict:
    return Verdict(rule, value, threshold, value is None or value <= threshold, meaning)


def describe_verdicts(verdicts: list[Verdict]) -> list[Document]:
    return [asdict(verdict) for verdict in verdicts]


def require_passed(version: str, verdicts: list[Document]) -> None:
    """Raise BadInput with the reasons if a gate refused the candidate."""
    if refused := [verdict for verdict in verdicts if not verdict["passed"]]:
        reasons = "; ".join(
            f"{verdict['rule']} is {verdict['value']:g}, not {verdict['threshold']:g}"
            f" ({verdict['meaning']})"
            for verdict in refused
        )
        raise BadInput(f"Candidate {version} was refused: {reasons}. What was live stays live.")
