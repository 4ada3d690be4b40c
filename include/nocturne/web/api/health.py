"""Is the app there, can it work, and how busy is it?"""

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from nocturne.web.context import TheSite
from nocturne.web.metrics import REGISTRY
from nocturne.web.models import Health
from nocturne.web.readiness import OK

router = APIRouter(tags=["health"])


@router.get("/health/live")
async def is_alive() -> Health:
    """The process answers."""
    return Health(status=OK)


@router.get(
    "/health/ready",
    response_model=Health,
    responses={503: {"model": Health, "description": "Something that is needed is not there"}},
)
def is_ready(site: TheSite) -> JSONResponse:
    """MongoDB and Kafka answer, something was published, and its titles are in memory."""
    checks = site.readiness.check()
    if checks["version"] == OK:
        site.titles.get()
    ready = all(state == OK for state in checks.values())
    health = Health(status=OK if ready else "not ready", checks=checks)
    return JSONResponse(health.model_dump(), 200 if ready else 503)


@router.get("/metrics", response_class=Response)
def read_metrics() -> Response:
    """For Prometheus."""
    return Response(generate_latest(REGISTRY), media_type=CONTENT_TYPE_LATEST)
