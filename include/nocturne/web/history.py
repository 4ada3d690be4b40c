"""Versions, as the API and the pages describe them."""

from itertools import pairwise
from typing import Any

from pymongo import DESCENDING

from nocturne.errors import BadInput
from nocturne.models.projection import COMPONENTS
from nocturne.models.report import read_projection
from nocturne.recommend.candidates import ModelFolder
from nocturne.store import versions as store
from nocturne.web.models import Dot, Map, Tenure, Verdict, Version, VersionDetail, Versions
from nocturne.web.site import Site

Document = dict[str, Any]
DECIMALS = 4
LISTED = ["data_date", "state", "made_at", "run_id"]
MOST_VERSIONS = 100
"""On a page: a quarter of a year of nights."""
MOST_TENURES = 200


def list_versions(site: Site, first: int = 0, most: int = MOST_VERSIONS) -> Versions:
    """A page of them, and the newest tenures."""
    found = store.list_versions(site.database, LISTED, first, most)
    live = store.live_version(site.database)
    return Versions(
        live=live and live["version"],
        versions=[Version(**describe(model)) for model in found],
        history=list_history(site),
    )


def describe(model: Document) -> Document:
    optional = {name: model.get(name) for name in ("made_at", "run_id")}
    known = {name: model[name] for name in ("data_date", "state", "live")}
    return {"version": model["_id"], **known, **optional}


def list_history(site: Site) -> list[Tenure]:
    """Who was live when, the newest first, MOST_TENURES at most."""
    moves = site.database["live"].find({"_id": {"$ne": store.POINTER}})
    entries = moves.sort("seq", DESCENDING).limit(MOST_TENURES).to_list()[::-1]
    ends = [after["at"] for _, after in pairwise(entries)]
    tenures = [
        Tenure(version=entry["version"], since=entry["at"], until=end, because=entry["because"])
        for entry, end in zip(entries, [*ends, None], strict=False)
    ]
    return tenures[::-1]


def find_version(site: Site, version: str) -> Document:
    model = store.require_version(site.database, version)
    live = store.live_version(site.database)
    return {**model, "live": live is not None and live["version"] == version}


def read_version(site: Site, version: str) -> VersionDetail:
    model = find_version(site, version)
    return VersionDetail(
        **describe(model),
        verdicts=[Verdict(**verdict) for verdict in model.get("verdicts") or []],
        clustering=model.get("clustering"),
        ranking=model.get("ranking"),
        tables=model.get("tables") or {},
    )


def read_map(site: Site, version: str) -> Map:
    """Raises BadInput if the version's projection is not in this home."""
    model = store.require_version(site.database, version)
    folder = ModelFolder(site.settings.models_dir / version)
    projection = read_projection(folder.clusters)
    if projection is None:
        raise BadInput(f"The projection of {version} is not in {site.settings.models_dir}.")
    names = site.published.find_names(version, projection["track_id"].tolist())
    first, second = COMPONENTS[:2]
    dots = [
        Dot(
            track_id=row["track_id"],
            **names[row["track_id"]]._asdict(),
            x=round(row[first], DECIMALS),
            y=round(row[second], DECIMALS),
            cluster=None if row["cluster"] is None else int(row["cluster"]),
        )
        for row in projection.astype({"cluster": object}).where(projection.notna(), None)
        .to_dict("records")
    ]  # fmt: skip
    explained = (model.get("clustering") or {}).get("explained_variance") or []
    return Map(version=version, explained=explained[:2], dots=dots)
