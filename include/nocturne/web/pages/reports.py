"""The reports of versions, as the nightly run wrote them."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse

from nocturne.errors import BadInput
from nocturne.models.report import PLOTLY
from nocturne.store.versions import require_version
from nocturne.web.api.versions import VersionName
from nocturne.web.context import TheSite
from nocturne.web.files import send_file
from nocturne.web.pages.rendering import PageRoute

router = APIRouter(route_class=PageRoute)
# A report's figures are scripts within the page; nothing is loaded from elsewhere, and nothing is
# sent anywhere.
POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline';"
    " style-src 'unsafe-inline'; img-src 'self' data: blob:; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'self'"
)
KEEP_SECONDS = 3600


@router.get(f"/reports/{PLOTLY}", response_class=FileResponse)
def read_plotly(request: Request, site: TheSite) -> Response:
    """What the reports share; written with the first of them."""
    file = site.settings.reports_dir / PLOTLY
    if not file.is_file():
        raise BadInput("No report was written yet.")
    kept = {"Cache-Control": f"private, max-age={KEEP_SECONDS}"}
    return send_file(request, file, "text/javascript", kept)


@router.get("/reports/{version}.html", response_class=FileResponse)
def read_report(request: Request, site: TheSite, version: VersionName) -> Response:
    require_version(site.database, version)
    file = site.settings.reports_dir / f"{version}.html"
    if not file.is_file():
        raise BadInput(f"The report of {version} is not in {site.settings.reports_dir.name}/.")
    policy = {"Content-Security-Policy": POLICY}
    return send_file(request, file, "text/html; charset=utf-8", policy)
