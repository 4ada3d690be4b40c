"""Who a page is for: the listener whom the address names, or the cookie, else a guest."""

import secrets
from urllib.parse import quote, unquote

from fastapi import Request, Response

from nocturne.listener_names import settle_name
from nocturne.recommend.anybody import ANYBODY
from nocturne.store.versions import of_version
from nocturne.web.problems import Problem
from nocturne.web.site import Site

COOKIE = "listener"
COOKIE_SECONDS = 365 * 24 * 3600
GUEST = "guest-"
LISTENERS_OFFERED = 50


def find_listener(request: Request) -> str:
    """Raises Problem if the address names a listener that cannot be one."""
    asked = request.query_params.get("listener")
    if asked is not None:
        return require_name(asked.strip())
    try:
        return settle_name(unquote(request.cookies.get(COOKIE, "")))
    except ValueError:
        return GUEST + secrets.token_hex(4)


def require_name(value: str) -> str:
    try:
        return settle_name(value)
    except ValueError as error:
        raise Problem(400, str(error)) from error


def remember(request: Request, response: Response, user_id: str) -> None:
    """In the browser, for the whole app."""
    response.set_cookie(
        COOKIE,
        quote(user_id, safe=""),
        max_age=COOKIE_SECONDS,
        path=request.scope.get("root_path", "") or "/",
        secure=request.url.scheme == "https",
        samesite="lax",
    )


def offer_listeners(site: Site) -> list[str]:
    """Some whom the live version knows."""
    rows = site.database["for_you"].find(
        of_version(site.published.live()), {"user_id": 1}, limit=LISTENERS_OFFERED + 1
    )
    names = [row["user_id"] for row in rows.sort("_id") if row["user_id"] != ANYBODY]
    return names[:LISTENERS_OFFERED]
