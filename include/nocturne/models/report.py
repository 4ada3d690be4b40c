"""The report of a model: a page that people read before and after it goes live."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
import plotly.graph_objects as go
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from nocturne.locks import one_at_a_time
from nocturne.models.figures import (
    SCORES,
    draw_elbow,
    draw_projection,
    draw_projection_3d,
    draw_scores,
)

Document = Mapping[str, Any]

PLOTLY = "plotly.min.js"
"""Beside the pages, which share it: 5 MB that a page would hold otherwise, or fetch."""
MEANINGS = {
    "candidate": "being built; readers get what was live before.",
    "checked": "every gate let it pass; readers get it once it is published.",
    "published": "every gate let it pass and it went live; readers get it, or a newer one.",
    "refused": "a gate refused it; what was live before stays live.",
    "rejected": "people turned it down; what was live before stays live.",
    "retired": "its tables have been removed; it cannot go live again.",
}
NOTHING = "-"
UNSAFE_IN_MARKDOWN = "\\`*_{}[]<>|#"


def write_report(folder: Path, name: str, model: Document, model_dir: Path) -> Path:
    """Write NAME.html and, once, what it needs beside it; each appears whole or not at all.

    `model` is a document of `models`; `model_dir` is what train_clusters wrote.
    """
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / f"{name}.html"
    content = render_page(model, read_projection(model_dir)).encode()
    script = get_plotlyjs().encode()
    with one_at_a_time(folder / ".lock"):
        if not (folder / PLOTLY).is_file() or (folder / PLOTLY).read_bytes() != script:
            replace_file(folder / PLOTLY, script)
        replace_file(page, content)
    return page


def replace_file(file: Path, content: bytes) -> None:
    """Under a lock: who died before left a file of the same name, which is written anew."""
    building = file.with_name(f"{file.name}.building")
    building.write_bytes(content)
    building.replace(file)


def read_projection(model_dir: Path) -> pd.DataFrame | None:
    """None if the model is older than the figure, or has been removed."""
    file = model_dir / "projection.parquet"
    return pd.read_parquet(file, dtype_backend="numpy_nullable") if file.is_file() else None


def render_page(model: Document, projection: pd.DataFrame | None) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True,
    )  # fmt: skip
    environment.filters |= {
        "figure": format_figure,
        "interval": format_interval,
        "settings": format_settings,
        "verdict": format_verdict,
    }
    verdicts = sort_verdicts(model)
    return environment.get_template("report.html").render(
        model=model,
        version=model["_id"],
        meaning=explain_state(model),
        facts=list_facts(model),
        verdicts=verdicts,
        refused=count_refused(verdicts),
        **describe_ranking(model.get("ranking") or {}),
        **describe_clusters(model.get("clustering") or {}),
        **draw_library(model.get("clustering") or {}, projection),
    )


def explain_state(model: Document) -> str:
    """What the state means for readers."""
    return MEANINGS[model["state"]]


def list_facts(model: Document) -> list[tuple[str, str]]:
    counts = {name: value for name, value in model["inputs"].items() if isinstance(value, int)}
    return [
        ("data of", str(model["data_date"])),
        ("made by run", str(model["run_id"])),
        *((name, format_figure(value)) for name, value in counts.items()),
    ]


def sort_verdicts(model: Document) -> list[Document]:
    """Refusals first, else in the order of the gates."""
    return sorted(model.get("verdicts") or [], key=lambda row: bool(row["passed"]))


def count_refused(verdicts: Sequence[Document]) -> int:
    return sum(not row["passed"] for row in verdicts)


def describe_ranking(ranking: Document) -> dict[str, Any]:
    """The best model first, by the first measure; nothing if no model was judged."""
    rows = list(ranking.get("models") or [])
    if not rows:
        return {"ranking": None}
    measures = [name for name, value in rows[0].items() if isinstance(value, int | float)]
    compared = [row.get("over_popularity") or {} for row in rows]
    ordered = sorted(rows, key=lambda row: (-row[measures[0]], row["model"]))
    return {
        "ranking": {"split": None, "chosen": None, **ranking, "models": ordered},
        "measures": measures,
        "differences": [name for name in measures if any(name in row for row in compared)],
    }


def describe_clusters(clustering: Document) -> dict[str, Any]:
    choice = clustering.get("chosen") or {"k": None, "knee": None, "reason": "not noted yet"}
    k, knee, clusterings = choice["k"], choice["knee"], clustering.get("clusterings") or []
    clusterings = sorted(clusterings, key=lambda row: row["k"])
    swept = clustering.get("sweep_tracks")
    found = {
        "choice": f"{k or 'No'} clusters: {choice['reason']}.",
        "chosen": k,
        "knee": knee,
        "clusterings": clusterings,
        "final": clustering.get("final"),
        "names": list(SCORES),
        "titles": list(SCORES.values()),
        "sweep": "the tracks of the sweep" if swept is None else f"{swept:,} tracks",
    }
    if clusterings:
        found["elbow"] = embed(draw_elbow(clusterings, knee, k), "elbow-figure")
        found["scores"] = embed(draw_scores(clusterings, k), "scores-figure")
    return found


def draw_library(clustering: Document, projection: pd.DataFrame | None) -> dict[str, Any]:
    if projection is None or projection.empty:
        return {"drawn": 0}
    shares = clustering.get("explained_variance") or []
    return {
        "drawn": len(projection),
        "projection": embed(draw_projection(projection, shares), "projection-figure"),
        "projection_3d": embed(draw_projection_3d(projection), "projection-3d-figure"),
    }


def embed(figure: go.Figure, name: str) -> Markup:
    """The figure as HTML; Plotly escapes what would end a script."""
    part = figure.to_html(
        full_html=False, include_plotlyjs=False, div_id=name,
        config={"displayModeBar": False, "responsive": True},
    )  # fmt: skip
    return Markup(part)  # noqa: S704


def format_figure(value: float | None) -> str:
    """Whole numbers whole, others to four digits."""
    if value is None:
        return NOTHING
    if float(value).is_integer() or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def format_interval(compared: Document | None) -> str:
    if compared is None:
        return NOTHING
    return f"{compared['difference']:+.4f} ({compared['low']:+.4f} to {compared['high']:+.4f})"


def format_settings(settings: Document) -> str:
    return ", ".join(
        f"{name} ({format_settings(value)})" if isinstance(value, Mapping) else f"{name} = {value}"
        for name, value in settings.items()
    )


def format_verdict(verdict: Document) -> str:
    if not verdict["passed"]:
        return "✗ refused"
    judged = verdict["value"] is not None and verdict["threshold"] is not None
    return "✓ passed" if judged else "✓ nothing to judge"


def describe_gates_markdown(model: Document) -> str:
    """Headline and gate table as Markdown, refusals first."""
    headline = f"**Model {escape_markdown(model['_id'])} is {model['state']}**"
    rows = [
        (row["rule"], format_figure(row["value"]), format_figure(row["threshold"]),
         format_verdict(row), row["meaning"])
        for row in sort_verdicts(model)
    ]  # fmt: skip
    if not rows:
        return f"{headline}: {explain_state(model)}\n\nThe gates have not judged it yet."
    table = [("Rule", "Value", "Threshold", "Verdict", "Meaning"), *rows]
    lines = ["| " + " | ".join(map(escape_markdown, row)) + " |" for row in table]
    return "\n".join(
        [f"{headline}: {explain_state(model)}", "", lines[0], "|---" * 5 + "|", *lines[1:]]
    )


def escape_markdown(text: str) -> str:
    """Data that Markdown would take for marks, or for the end of a cell, as it stands."""
    escaped = "".join(f"\\{sign}" if sign in UNSAFE_IN_MARKDOWN else sign for sign in text)
    return " ".join(escaped.split())
