"""The app: its routes, and what holds for all of them."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from nocturne.settings import Settings
from nocturne.web import pages
from nocturne.web.access import Access, is_loopback
from nocturne.web.api import health, listeners, simulation, tracks, versions
from nocturne.web.context import Entrance, OpenSite
from nocturne.web.middleware import Gate
from nocturne.web.problems import handle_problems
from nocturne.web.site import Site

MakeAccess = Callable[[Site], Access]
API = "/api/v1"
STATIC = Path(__file__).parent / "static"


def create_app(
    open_site: OpenSite,
    make_access: MakeAccess,
    settings: Settings,
    dependencies: Sequence[Any] = (),
) -> FastAPI:
    """The web app; the site is opened by the first request that needs it.

    `dependencies` are FastAPI's, and hold for every route.
    """
    entrance = Entrance(open_site)

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
    app.state.make_access = make_access
    for router in (listeners.router, tracks.router, versions.router, simulation.router):
        app.include_router(router, prefix=API)
    app.include_router(health.router, prefix=API)
    app.include_router(health.router, include_in_schema=False)
    app.include_router(pages.router, include_in_schema=False)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    handle_problems(app)
    app.add_middleware(
        Gate,
        requests_per_minute=settings.web_requests,
        only_loopback=is_loopback(settings.web_host),
    )
    return app
