"""What the tabs in Airflow's UI show: the versions of a DAG, and those of a run."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import HTMLResponse
from pymongo import DESCENDING

from nocturne.models.report import explain_state, format_figure, sort_verdicts
from nocturne.stack.airflow_runs import NIGHTLY
from nocturne.web import history
from nocturne.web.context import TheSite
from nocturne.web.pages.rendering import PageRoute, render
from nocturne.web.site import Site

Document = Mapping[str, Any]
LONGEST_NAME = 250
# What is shown of each model: the best first.
MEASURES = ("ndcg@10", "recall@10", "coverage")
MODELS = 4
router = APIRouter(route_class=PageRoute, default_response_class=HTMLResponse)
DagId = Annotated[str, Path(min_length=1, max_length=LONGEST_NAME)]
RunId = Annotated[str, Path(min_length=1, max_length=LONGEST_NAME)]


@router.get("/dags/{dag_id}")
def show_dag(request: Request, site: TheSite, dag_id: DagId) -> Response:
    """The versions of the nightly DAG; other DAGs make none, and the page says so."""
    if dag_id != NIGHTLY:
        return render(request, "dag.html", dag_id=dag_id, nightly=NIGHTLY, versions=None)
    found = history.list_versions(site)
    live = next((version for version in found.versions if version.live), None)
    return render(
        request, "dag.html", dag_id=dag_id, nightly=NIGHTLY, versions=found.versions, live=live,
        tenure=found.history[0] if found.history else None,
    )  # fmt: skip


@router.get("/dags/{dag_id}/runs/{run_id:path}")
def show_run(request: Request, site: TheSite, dag_id: DagId, run_id: RunId) -> Response:
    """The versions that a run came to: one, unless it was cleared after its data had changed."""
    if dag_id != NIGHTLY:
        return render(request, "dag.html", dag_id=dag_id, nightly=NIGHTLY, versions=None)
    models = [describe(site, model) for model in find_models(site, run_id)]
    return render(request, "run.html", dag_id=dag_id, run_id=run_id, models=models)


def find_models(site: Site, run_id: str) -> list[Document]:
    """Versions that the run made, or came to when they were there already; the last made first."""
    of_run = {"$or": [{"runs": run_id}, {"run_id": run_id}]}
    return list[Document](site.database["models"].find(of_run).sort("made_at", DESCENDING))


def describe(site: Site, model: Document) -> Document:
    """What the page says of a version."""
    version = model["_id"]
    return {
        "version": version,
        "data_date": model["data_date"],
        "state": model["state"],
        "live": history.find_version(site, version)["live"],
        "meaning": explain_state(model),
        "made_by": model.get("run_id"),
        "verdicts": sort_verdicts(model),
        "clusters": describe_clusters(model.get("clustering") or {}),
        "ranking": describe_ranking(model.get("ranking") or {}),
        "has_report": (site.settings.reports_dir / f"{version}.html").is_file(),
    }


def describe_clusters(clustering: Document) -> list[tuple[str, str]]:
    """Name and figure of what matters most; nothing before training."""
    chosen, final = clustering.get("chosen") or {}, clustering.get("final") or {}
    if not chosen:
        return []
    reason = f"{chosen['k']} ({chosen['reason']})" if chosen["k"] else "none"
    figures = ("silhouette", "stability", "largest_share")
    measured = [(name.replace("_", " "), format_figure(final.get(name))) for name in figures]
    return [("clusters", reason), *(measured if final else [])]


def describe_ranking(ranking: Document) -> Document | None:
    """The best models by the first measure, and what else was measured of them."""
    rows = [row for row in ranking.get("models") or [] if MEASURES[0] in row]
    if not rows:
        return None
    rows.sort(key=lambda row: -row[MEASURES[0]])
    return {
        "measures": MEASURES,
        "models": [
            (row["model"], [format_figure(row.get(measure)) for measure in MEASURES])
            for row in rows[:MODELS]
        ],
    }
