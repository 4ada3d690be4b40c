"""How a page becomes HTML, and so do its errors."""

import logging
from collections.abc import Callable, Coroutine
from functools import cache
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from fastapi.templating import Jinja2Templates
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pymongo.errors import PyMongoError
from starlette.exceptions import HTTPException

from nocturne.errors import NocturneError
from nocturne.listener_names import settle_name
from nocturne.models.figures import mark
from nocturne.models.report import MEANINGS, format_figure, format_interval, format_verdict
from nocturne.web.problems import Problem, judge

log = logging.getLogger(__name__)
STATIC = Path(__file__).parent / "static"
HEADLINES = {
    401: "A token, please",
    403: "Not yours to see",
    404: "Nothing here",
    422: "That cannot be read",
    503: "One moment",
}
MINUTE = "%Y-%m-%d %H:%M"


def choose_hue(track_id: str) -> int:
    """The colour of a track's cover, as static/events.js chooses it."""
    return sum((place + 7) * ord(sign) for place, sign in enumerate(track_id)) * 47 % 360


def count_things(number: int, thing: str) -> str:
    """1 song, 1,234 songs."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


environment = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
)  # fmt: skip
environment.filters |= {
    "figure": format_figure,
    "interval": format_interval,
    "verdict": format_verdict,
    "minute": lambda moment: moment.strftime(MINUTE),
    "hue": choose_hue,
    "cluster_mark": mark,
    "counted": count_things,
}
environment.globals["MEANINGS"] = MEANINGS
templates = Jinja2Templates(env=environment)


class PageRoute(APIRoute):
    """A route whose errors are pages too."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_or_explain(request: Request) -> Response:
            try:
                return await handle(request)
            except RequestValidationError:
                return explain(request, Problem(422, "Something in the address is not right."))
            except (Problem, HTTPException, NocturneError, PyMongoError) as error:
                return explain(request, error)

        return handle_or_explain


def find_named(request: Request) -> str:
    """The listener whom the address names, if one can be called so: pages that this page leads to
    are for them too, while the cookie is for whoever was named last in any tab.
    """
    try:
        return settle_name(request.query_params.get("listener", "").strip())
    except ValueError:
        return ""


def render(request: Request, template: str, status: int = 200, **context: Any) -> Response:
    """The page; every address in it begins with `base`, where the app may be mounted."""
    base: str = request.scope.get("root_path", "").rstrip("/")

    def asset(name: str) -> str:
        return f"{base}/static/{name}?v={fingerprint(name)}"

    path = request.scope["path"].removeprefix(base)
    here = "/" + path.strip("/").partition("/")[0]
    hosted = request.app.state.hosted
    named = context.get("listener") or find_named(request)
    shared = {
        "base": base, "asset": asset, "here": here, "status": status, "hosted": hosted,
        "named": named, "for_named": f"?{urlencode({'listener': named})}" if named else "",
    }  # fmt: skip
    return templates.TemplateResponse(request, template, shared | context, status)


@cache
def fingerprint(name: str) -> str:
    """So that browsers that keep a file fetch it anew when it has changed."""
    return sha256((STATIC / name).read_bytes()).hexdigest()[:12]


def explain(request: Request, error: Exception) -> Response:
    status, detail, headers = judge(error)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.warning("%s %s: %s", request.method, request.url.path, error)
    headline = HEADLINES.get(status, HTTPStatus(status).phrase)
    page = render(request, "error.html", status, headline=headline, detail=detail)
    page.headers.update(headers or {})
    return page
