"""Who a page is for: the listener whom the address names, or the cookie, else a guest."""

import secrets
from urllib.parse import quote, unquote

from fastapi import Request, Response

from nocturne.recommend.anybody import ANYBODY
from nocturne.store.versions import of_version
from nocturne.web.context import LONGEST_ID
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
    kept = unquote(request.cookies.get(COOKIE, ""))
    return kept if is_name(kept) else GUEST + secrets.token_hex(4)


def is_name(value: str) -> bool:
    return 1 <= len(value) <= LONGEST_ID and "/" not in value and value.isprintable()


def require_name(value: str) -> str:
    if not is_name(value):
        raise Problem(
            400, f"A listener's name has 1 to {LONGEST_ID} characters, and no slash among them."
        )
    return value


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
