"""The app: its routes, and what holds for all of them."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware

from nocturne.settings import Settings
from nocturne.web.access import is_loopback
from nocturne.web.api import health, listeners, simulation, tracks, versions
from nocturne.web.context import Entrance, MakeAccess, OpenSite
from nocturne.web.middleware import Gate
from nocturne.web.pages import reports, routes
from nocturne.web.pages.rendering import STATIC, explain
from nocturne.web.problems import answer_problem, handle_problems

API = "/api/v1"
SMALLEST_BYTES = 1000
"""What is smaller fits into one packet anyway."""
LEVEL = 6


class Fresh(StaticFiles):
    """Files that browsers ask about each time: modules of two releases must not meet."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        answer = super().file_response(*args, **kwargs)
        answer.headers["Cache-Control"] = "no-cache"
        return answer


def answer_http(request: Request, error: HTTPException) -> Response:
    """What no route answers: a page for people, a problem document for programs."""
    path = request.url.path.removeprefix(request.scope.get("root_path", ""))
    wants_page = "text/html" in request.headers.get("accept", "")
    if wants_page and not path.startswith("/api/"):
        return explain(request, error)
    return answer_problem(request, error)


def create_app(
    open_site: OpenSite,
    make_access: MakeAccess,
    settings: Settings,
    dependencies: Sequence[Any] = (),
    hosted: bool = False,
) -> FastAPI:
    """The web app; the site is opened by the first request that needs it.

    `dependencies` are FastAPI's, and hold for every route. An app that is `hosted` is a part of
    another one: that has its own users and names, so there are no tokens, and nobody is simulated.
    """
    entrance = Entrance(open_site, make_access)

    @asynccontextmanager
    async def live(app: FastAPI) -> AsyncIterator[None]:
        yield
        entrance.close()

    app = FastAPI(
        title="Nocturne",
        version="1",
        description="Music recommendations: what listeners are shown, and why.",
        openapi_url=f"{API}/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=live,
        dependencies=list(dependencies),
    )
    app.state.entrance = entrance
    app.state.hosted = hosted
    for router in (listeners.router, tracks.router, versions.router, simulation.router):
        app.include_router(router, prefix=API)
    app.include_router(health.router, prefix=API)
    app.include_router(health.router, include_in_schema=False)
    app.include_router(routes.router, include_in_schema=False)
    app.include_router(reports.router, include_in_schema=False)
    app.mount("/static", Fresh(directory=STATIC), name="static")
    handle_problems(app)
    app.add_exception_handler(HTTPException, answer_http)  # type: ignore[arg-type]
    app.add_middleware(GZipMiddleware, minimum_size=SMALLEST_BYTES, compresslevel=LEVEL)
    app.add_middleware(
        Gate,
        requests_per_minute=settings.web_requests,
        only_loopback=not hosted and is_loopback(settings.web_host),
    )
    return app
