"""The figures of a model's report, as Plotly draws them."""

import html
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from nocturne.models.projection import COMPONENTS

Clustering = Mapping[str, Any]

COLOURS = (
    *("#0072b2", "#e69f00", "#009e73", "#d55e00", "#56b4e9"),
    *("#cc79a7", "#8c6d31", "#7f7f7f", "#7b52ab", "#b8a800"),
)
"""Okabe & Ito 2008 and three more, so that colour-blind readers tell most of them apart."""
SYMBOLS = ("circle", "square", "diamond", "cross", "x")
"""The filled ones that 3-D figures have too."""
SCORES = {
    "silhouette": "Mean silhouette",
    "calinski_harabasz": "Calinski-Harabasz index",
    "stability": "Stability (adjusted Rand index)",
    "largest_share": "Share of the largest cluster",
}
LINE = COLOURS[0]
MARK = COLOURS[3]
COMPONENT_NAMES = ("First", "Second", "Third")


def draw_elbow(
    clusterings: Sequence[Clustering], knee: int | None, chosen: int | None
) -> go.Figure:
    """Distortion over k, with the knee and the chosen k marked where there are any."""
    figure = go.Figure(trace_over_k(clusterings, "distortion"))
    title = "No knee: the distortion falls evenly" if knee is None else f"Knee at k = {knee}"
    marked = {"knee": knee, "chosen": chosen}
    for name, k in marked.items():
        row = next((row for row in clusterings if row["k"] == k), None)
        if row is not None:
            figure.add_scatter(
                x=[k], y=[row["distortion"]], mode="markers", name=f"{name}: k = {k}",
                marker={
                    "size": 18 if name == "knee" else 11, "color": MARK, "line": {"width": 3},
                    "symbol": "circle-open" if name == "knee" else "diamond",
                },
                hoverinfo="skip",
            )  # fmt: skip
    figure.update_layout(title=title, height=380, **legend_above())
    figure.update_xaxes(title="k, number of clusters", dtick=1)
    figure.update_yaxes(title="Distortion (sum of squares)", rangemode="tozero")
    return figure


def draw_scores(clusterings: Sequence[Clustering], chosen: int | None) -> go.Figure:
    """SCORES over k, a small plot for each."""
    figure = make_subplots(
        rows=2, cols=2, subplot_titles=list(SCORES.values()),
        vertical_spacing=0.2, horizontal_spacing=0.12,
    )  # fmt: skip
    for place, name in enumerate(SCORES):
        row, column = divmod(place, 2)
        figure.add_trace(trace_over_k(clusterings, name), row=row + 1, col=column + 1)
    if chosen is not None:
        figure.add_vline(x=chosen, line={"dash": "dash", "color": MARK, "width": 1.5})
    figure.update_layout(height=560, showlegend=False, margin={"t": 50, "r": 20, "l": 60})
    figure.update_xaxes(title="k", dtick=1)
    return figure


def trace_over_k(clusterings: Sequence[Clustering], name: str) -> go.Scatter:
    """A gap where a k lacks the figure."""
    ordered = sorted(clusterings, key=lambda row: row["k"])
    return go.Scatter(
        x=[row["k"] for row in ordered], y=[row.get(name) for row in ordered],
        mode="lines+markers", name=name, line={"color": LINE}, showlegend=False,
        hovertemplate="k = %{x}: %{y:.4g}<extra></extra>",
    )  # fmt: skip


def draw_projection(projection: pd.DataFrame, shares: Sequence[float]) -> go.Figure:
    """The first two components of each track, coloured by cluster."""
    figure = go.Figure()
    for name, drawn, style in split_by_cluster(projection, size=7):
        x, y = (drawn[component].round(4).tolist() for component in COMPONENTS[:2])
        figure.add_scatter(x=x, y=y, mode="markers", name=name, marker=style, **hover(drawn))
    figure.update_layout(height=560, **legend_above())
    figure.update_xaxes(title=name_axis(0, shares))
    figure.update_yaxes(title=name_axis(1, shares))
    return figure


def draw_projection_3d(projection: pd.DataFrame) -> go.Figure:
    figure = go.Figure()
    for name, drawn, style in split_by_cluster(projection, size=4):
        x, y, z = (drawn[component].round(4).tolist() for component in COMPONENTS)
        figure.add_scatter3d(
            x=x, y=y, z=z, mode="markers", name=name, marker=style, **hover(drawn)
        )  # fmt: skip
    axes = {f"{axis}axis": {"title": COMPONENT_NAMES[n]} for n, axis in enumerate("xyz")}
    figure.update_layout(height=620, scene=axes, **legend_above())
    return figure


def split_by_cluster(
    projection: pd.DataFrame, size: int
) -> list[tuple[str, pd.DataFrame, dict[str, Any]]]:
    """Name, tracks and marker of each cluster; tracks without one come last."""
    parts = []
    for place in sorted(projection["cluster"].dropna().unique().tolist()):
        drawn = projection[projection["cluster"] == place]
        parts.append((f"cluster {place}", drawn, {**mark(place), "size": size, "opacity": 0.85}))
    if len(rest := projection[projection["cluster"].isna()]):
        parts.append(("not clustered", rest, {"color": COLOURS[7], "size": size, "opacity": 0.8}))
    return parts


def mark(cluster: int) -> dict[str, str]:
    """Colour and symbol; the first fifty clusters have a pair of their own each."""
    turn, place = divmod(cluster, len(COLOURS))
    return {"color": COLOURS[place], "symbol": SYMBOLS[(place + turn) % len(SYMBOLS)]}


def hover(drawn: pd.DataFrame) -> dict[str, Any]:
    """Plotly takes hover texts for HTML, but ids are data."""
    texts = [html.escape(track_id) for track_id in drawn["track_id"]]
    return {"text": texts, "hovertemplate": "%{text}<extra>%{fullData.name}</extra>"}


def name_axis(place: int, shares: Sequence[float]) -> str:
    share = f" ({shares[place]:.0%} of the variance)" if place < len(shares) else ""
    return f"{COMPONENT_NAMES[place]} component{share}"


def legend_above() -> dict[str, Any]:
    legend = {"orientation": "h", "yanchor": "bottom", "y": 1.0, "x": 0, "itemsizing": "constant"}
    return {"legend": legend, "margin": {"t": 90, "r": 20, "l": 60, "b": 50}}
