"""The web app as a part of Airflow's UI, behind Airflow's own authentication.

Who is logged in at Airflow may read; who may change the nightly DAG may act; anybody else gets
401. Only the files under /static, which say nothing about anybody, are for everyone.
"""

import atexit
from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

from anyio.to_thread import run_sync

from nocturne_airflow.links import PREFIX, VIEW, find_root

if TYPE_CHECKING:
    from fastapi import FastAPI, Request, Response
    from starlette.types import ASGIApp, Receive, Scope, Send

READS_BY_POST = {"/api/v1/recommend_songs"}
NO_SIMULATION = (
    "Simulated listeners are not let in inside Airflow: `./nocturne simulate` sends them, and the"
    " page of `./nocturne serve` does."
)


class NotLoggedIn(Exception):
    """With the status and the words of Airflow."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


class LateApp:
    """An app that its first request builds.

    Airflow loads plugins in every process, down to each task's, and building takes seconds and
    100 MB; only the API server gets requests.
    """

    def __init__(self, build: "Callable[[], ASGIApp]") -> None:
        self.build = build
        self.app: ASGIApp | None = None
        self.lock = Lock()

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        app = self.app
        if app is None:
            app = await run_sync(self.find)
        await app(scope, receive, send)

    def find(self) -> "ASGIApp":
        with self.lock:
            if self.app is None:
                self.app = self.build()
            return self.app


def describe_views() -> list[dict[str, str]]:
    """The views of Airflow's UI; it has no way to show a tab on some DAGs only."""
    root = find_root()
    shared = {"icon": f"{root}{PREFIX}/static/moon.svg"}
    dag = f"{root}{PREFIX}/dags/{{DAG_ID}}"
    return [
        {"name": "Nocturne", "destination": "nav", "url_route": VIEW,
         "href": f"{root}{PREFIX}/", **shared},
        {"name": "Recommendations", "destination": "dag", "url_route": "recommendations",
         "href": dag, **shared},
        {"name": "Recommendations", "destination": "dag_run", "url_route": "recommendations-run",
         "href": f"{dag}/runs/{{RUN_ID}}", **shared},
    ]  # fmt: skip


def build_app() -> "FastAPI":
    """The app with Airflow's users; it asks for the site's servers as tasks do."""
    from fastapi import Depends

    from nocturne.settings import load_settings
    from nocturne.web.access import OpenAccess
    from nocturne.web.app import create_app
    from nocturne.web.pages import runs
    from nocturne.web.site import open_site
    from nocturne_airflow.services import kafka_config, task_settings

    app = create_app(
        lambda: open_site(task_settings(), kafka_config()),
        lambda site: OpenAccess(),
        load_settings(),
        dependencies=[Depends(make_admission())],
        hosted=True,
    )
    app.add_exception_handler(NotLoggedIn, ask_for_login)  # type: ignore[arg-type]
    app.include_router(runs.router, include_in_schema=False)
    describe_behind_login(app)
    # Airflow ends the apps that it starts, but starts none that is built later.
    atexit.register(app.state.entrance.close)
    return app


def make_admission() -> Callable[..., Any]:
    """The dependency that lets a request in, or answers 401 or 403."""
    from airflow.api_fastapi.core_api.security import bearer_scheme, get_user, requires_access_dag
    from fastapi import Depends, HTTPException, Request

    from nocturne.stack.airflow_runs import NIGHTLY
    from nocturne.web.access import SAFE_METHODS
    from nocturne.web.problems import Problem

    require_operator = requires_access_dag("PUT", param_dag_id=NIGHTLY)

    async def find_user(request: Request, bearer: Annotated[Any, Depends(bearer_scheme)]) -> Any:
        try:
            return await get_user(request, None, bearer)
        except HTTPException as refusal:
            raise NotLoggedIn(refusal.status_code, str(refusal.detail)) from refusal

    def admit(request: Request, user: Annotated[Any, Depends(find_user)]) -> None:
        route = request.scope["route"].path
        if request.method in SAFE_METHODS or route in READS_BY_POST:
            return
        require_operator(request, user)
        if route == "/api/v1/simulation":
            raise Problem(403, NO_SIMULATION)

    return admit


def ask_for_login(request: "Request", refusal: NotLoggedIn) -> "Response":
    """A page says where to log in, and leads back; the API answers as it does."""
    from nocturne.web.pages.rendering import PageRoute, render
    from nocturne.web.problems import describe_problem

    if not isinstance(request.scope["route"], PageRoute):
        return describe_problem(refusal.status, refusal.detail, request.url.path)
    wanted = quote(str(request.url), safe="")
    login = f"{find_root()}/api/v2/auth/login?next={wanted}"
    return render(request, "login.html", refusal.status, detail=refusal.detail, login=login)


def describe_behind_login(app: "FastAPI") -> None:
    """Serve the OpenAPI document as a route of the app, as FastAPI's own asks for no login."""
    from fastapi import Request

    url = str(app.openapi_url)
    app.router.routes = [
        route for route in app.router.routes if getattr(route, "path", None) != url
    ]

    def describe(request: Request) -> dict[str, Any]:
        servers = [{"url": request.scope.get("root_path", "")}]
        return {**app.openapi(), "servers": servers}

    app.add_api_route(url, describe, include_in_schema=False)
