"""The pages' addresses."""

from collections import defaultdict
from http import HTTPStatus
from typing import Annotated, Any

from anyio.to_thread import run_sync
from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from nocturne.errors import BadInput
from nocturne.recommend.titles import Completed
from nocturne.store.refused_nights import describe_refused_nights
from nocturne.store.tokens import find_holder
from nocturne.stream.messages import Recommendations
from nocturne.web import history, library
from nocturne.web.access import COOKIE, Access
from nocturne.web.api.versions import VersionName
from nocturne.web.context import TheAccess, TheSite, TrackId, check_id
from nocturne.web.models import Dot, Map
from nocturne.web.pages import features, guests, training
from nocturne.web.pages.rendering import PageRoute, render
from nocturne.web.problems import Problem
from nocturne.web.site import Site

NEIGHBOURS = 12
FOUND = 30
TOKEN_SECONDS = 30 * 24 * 3600

router = APIRouter(route_class=PageRoute, default_response_class=HTMLResponse)


@router.get("/")
async def show_home(request: Request, site: TheSite, access: TheAccess) -> Response:
    listener = guests.find_listener(request)
    try:
        await access.require_listener(request, listener)
    except Problem as problem:
        if problem.status == HTTPStatus.UNAUTHORIZED:
            return RedirectResponse(f"{request.scope.get('root_path', '')}/token", 303)
        raise
    site.hub.start()
    body = site.hub.peek(listener) or (await site.hub.look_up(listener)).body
    page = render(
        request,
        "home.html",
        listener=listener,
        shown=Recommendations.model_validate_json(body),
        offered=await offer_listeners(request, site, access),
    )
    guests.remember(request, page, listener)
    return page


async def offer_listeners(request: Request, site: Site, access: Access) -> list[str]:
    """Nobody's name is shown to a listener of a token's own."""
    try:
        await access.require_operator(request)
    except Problem:
        return []
    return await run_sync(guests.offer_listeners, site)


@router.get("/tracks/{track_id}")
def show_track(request: Request, site: TheSite, track_id: TrackId) -> Response:
    listener = guests.find_listener(request)
    track = library.describe_track(site, check_id(track_id))
    found = library.find_similar(site, track_id, NEIGHBOURS)
    page = render(
        request,
        "track.html",
        listener=listener,
        track=track,
        similar=found.similar,
        plots=features.plot_features(track.features),
        figures=features.list_figures(track.features),
    )
    guests.remember(request, page, listener)
    return page


@router.get("/search")
def show_found(
    request: Request, site: TheSite, q: Annotated[str, Query(max_length=200)] = ""
) -> Response:
    nothing = Completed([], guessed=False)
    found = site.titles.get().search(q, FOUND) if q.strip() else nothing
    return render(request, "search.html", asked=q, found=found.tracks, guessed=found.guessed)


@router.get("/explore")
def show_map(request: Request, site: TheSite) -> Response:
    try:
        drawn, missing = history.read_map(site, site.published.live()), ""
    except BadInput as error:
        drawn, missing = None, str(error)
    clusters = group_dots(drawn) if drawn else []
    return render(request, "explore.html", map=drawn, missing=missing, clusters=clusters)


def group_dots(drawn: Map) -> list[tuple[int | None, list[Dot]]]:
    """By cluster; tracks that have none come last."""
    groups: dict[int | None, list[Dot]] = defaultdict(list)
    for dot in drawn.dots:
        groups[dot.cluster].append(dot)
    return sorted(groups.items(), key=lambda group: (group[0] is None, group[0]))


@router.get("/models")
def show_models(request: Request, site: TheSite) -> Response:
    newest = history.list_versions(site, most=1)
    if not newest.versions:
        raise Problem(404, "No model has been trained yet: the nightly run makes the first one.")
    return show_version(request, site, newest.live or newest.versions[0].version)


@router.get("/models/{version}")
def show_version(request: Request, site: TheSite, version: VersionName) -> Response:
    versions = history.list_versions(site)
    chosen = history.read_version(site, version)
    return render(
        request,
        "models.html",
        versions=versions.versions,
        refused_nights=describe_refused_nights(site.database),
        reigns=training.measure_reigns(versions.history),
        chosen=chosen,
        has_report=(site.settings.reports_dir / f"{version}.html").is_file(),
        **training.describe_version(chosen),
    )


@router.get("/api")
def show_api(request: Request) -> Response:
    """What the API takes and answers, as its own description has it."""
    described = request.app.openapi()
    return render(request, "api.html", info=described["info"], routes=list_routes(described))


def list_routes(described: dict[str, Any]) -> list[dict[str, Any]]:
    """Each method of each path, in the order of the paths."""
    return [
        {"method": method.upper(), "path": path, **operation}
        for path, methods in sorted(described["paths"].items())
        for method, operation in methods.items()
    ]


@router.get("/token")
def ask_token(request: Request) -> Response:
    return render(request, "token.html", wrong=False)


@router.post("/token")
def keep_token(
    request: Request, site: TheSite, token: Annotated[str, Form(max_length=200)]
) -> Response:
    """In a cookie that scripts cannot read."""
    holder = find_holder(site.database, token.strip())
    if holder is None:
        return render(request, "token.html", HTTPStatus.UNAUTHORIZED, wrong=True)
    base: str = request.scope.get("root_path", "")
    page = RedirectResponse(f"{base}/", HTTPStatus.SEE_OTHER)
    page.set_cookie(
        COOKIE,
        token.strip(),
        max_age=TOKEN_SECONDS,
        path=base or "/",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )
    if holder.user_id is not None:
        guests.remember(request, page, holder.user_id)
    return page
