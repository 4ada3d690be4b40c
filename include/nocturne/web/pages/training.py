"""A version as the model page shows it: verdicts, curves over k, ranking, and who was live when."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from nocturne.models.figures import SCORES
from nocturne.models.report import count_refused, describe_ranking, sort_verdicts
from nocturne.web.models import Tenure, VersionDetail
from nocturne.web.pages.charts import Curve, draw_curve, share_out

Document = Mapping[str, Any]
COLUMNS = (
    *("ndcg@10", "recall@10", "precision@10", "mrr@10", "map@10", "hit@10"),
    *("coverage", "novelty", "diversity", "gini"),
)
COMPARED = "ndcg@10"


@dataclass(frozen=True)
class Plot:
    name: str
    title: str
    meaning: str
    curve: Curve


@dataclass(frozen=True)
class Reign:
    """A tenure with its share of the time since the first."""

    tenure: Tenure
    share: float
    lasted: str


def plot_clusterings(clustering: Document) -> list[Plot]:
    """Elbow, silhouette and the other scores, where the version notes them."""
    chosen = clustering.get("chosen") or {}
    rows = clustering.get("clusterings") or []
    meanings = {
        "distortion": ("Elbow", "How far tracks are from their cluster's centre (sum of squares)."),
        "silhouette": ("Silhouette", "How much nearer a track is to its own cluster than others."),
        "stability": ("Stability", "How alike the clusters of other seeds are (adjusted Rand)."),
        "calinski_harabasz": (SCORES["calinski_harabasz"], "Spread between clusters over within."),
        "largest_share": (
            SCORES["largest_share"],
            "A cluster with most of the library says little.",
        ),
    }
    plots = []
    for name, (title, meaning) in meanings.items():
        marked = {"chosen": chosen.get("k")}
        if name == "distortion":
            marked["knee"] = chosen.get("knee")
        points = [(row["k"], row.get(name)) for row in rows]
        curve = draw_curve(points, marked, from_zero=name == "distortion")
        if curve:
            plots.append(Plot(name, title, meaning, curve))
    return plots


def explain_choice(clustering: Document) -> str:
    choice = clustering.get("chosen")
    if not choice:
        return "How its clusters were chosen is not noted."
    return f"{choice['k'] or 'No'} clusters: {choice['reason']}."


def describe_version(version: VersionDetail) -> dict[str, Any]:
    """What the template needs beside the version itself."""
    verdicts = sort_verdicts({"verdicts": [one.model_dump() for one in version.verdicts]})
    clustering = version.clustering or {}
    return {
        "verdicts": verdicts,
        "refused": count_refused(verdicts),
        "plots": plot_clusterings(clustering),
        "choice": explain_choice(clustering),
        "clustering": clustering,
        **describe_models(version.ranking or {}),
    }


def describe_models(ranking: Document) -> dict[str, Any]:
    """The best first, by COLUMNS that were measured."""
    described = describe_ranking(ranking)
    measures = described.get("measures", [])
    columns = [name for name in COLUMNS if name in measures] or measures
    return {
        "ranking": described["ranking"],
        "columns": columns,
        "compared": COMPARED if COMPARED in columns else None,
    }


def measure_reigns(tenures: Sequence[Tenure]) -> list[Reign]:
    """The oldest first, as time goes."""
    now = datetime.now(UTC)
    lengths = [(tenure.until or now) - tenure.since for tenure in reversed(tenures)]
    shares = share_out([length.total_seconds() for length in lengths])
    return [
        Reign(tenure, share, say_length(length))
        for tenure, share, length in zip(reversed(tenures), shares, lengths, strict=True)
    ]


def say_length(length: timedelta) -> str:
    seconds = length.total_seconds()
    for unit, name in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= unit:
            return f"{seconds / unit:.3g} {name}"
    return f"{seconds:.0f} s"
