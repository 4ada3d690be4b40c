"""What is and was live."""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from nocturne.web import history
from nocturne.web.context import TheSite
from nocturne.web.history import MOST_VERSIONS
from nocturne.web.models import Map, VersionDetail, Versions
from nocturne.web.problems import responses

router = APIRouter(tags=["versions"])
MOST_SKIPPED = 1_000_000
VersionName = Annotated[str, Path(min_length=1, max_length=100, pattern=r"^[\w.+-]+$")]


@router.get("/versions", responses=responses(422, 429, 503))
def list_versions(
    site: TheSite,
    n: Annotated[int, Query(ge=1, le=MOST_VERSIONS, description="how many")] = MOST_VERSIONS,
    first: Annotated[int, Query(ge=0, le=MOST_SKIPPED, description="the place to begin at")] = 0,
) -> Versions:
    """Versions, the newest data first, and which was live when of late."""
    return history.list_versions(site, first, n)


@router.get("/versions/{version}", responses=responses(404, 422, 429, 503))
def read_version(site: TheSite, version: VersionName) -> VersionDetail:
    """A version with the verdicts of its gates, its clusterings by k and its ranking."""
    return history.read_version(site, version)


@router.get("/versions/{version}/map", responses=responses(404, 422, 429, 503))
def read_map(site: TheSite, version: VersionName) -> Map:
    """Some of its tracks by their first two principal components, with their clusters."""
    return history.read_map(site, version)
