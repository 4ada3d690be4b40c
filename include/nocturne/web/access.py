"""Who may read and write: tokens, where anybody but this machine can reach the app."""

import ipaddress
from functools import lru_cache
from typing import Any, Protocol
from urllib.parse import urlsplit

from anyio.to_thread import run_sync
from cachetools import TTLCache
from fastapi import Request
from pymongo.database import Database

from nocturne.store.tokens import Holder, find_holder
from nocturne.web.problems import Problem

Document = dict[str, Any]
COOKIE = "nocturne_token"
# How long a token that was revoked may still work.
KNOWN_SECONDS = 10
HOLDERS_KNOWN = 10_000
SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}


class Access(Protocol):
    """What a request may do; both raise Problem if it may not."""

    async def require_listener(self, request: Request, user_id: str) -> None:
        """To read what is a listener's own, or to act for them."""

    async def require_operator(self, request: Request) -> None:
        """To act for everybody."""


class OpenAccess:
    """Whoever got here may do everything: somebody else has looked at who they are."""

    async def require_listener(self, request: Request, user_id: str) -> None:
        pass

    async def require_operator(self, request: Request) -> None:
        pass


class TokenAccess:
    """On loopback everybody is trusted, unless the app listens elsewhere too."""

    def __init__(self, database: Database[Document], host: str) -> None:
        self.database = database
        self.open_to_loopback = is_loopback(host)
        self.known: TTLCache[str, tuple[Holder | None]] = TTLCache(HOLDERS_KNOWN, KNOWN_SECONDS)

    async def require_listener(self, request: Request, user_id: str) -> None:
        if self.is_trusted(request):
            return
        holder = await self.require_holder(request)
        if holder.user_id not in (None, user_id):
            raise Problem(403, f"This token speaks for another listener than {user_id}.")

    async def require_operator(self, request: Request) -> None:
        if self.is_trusted(request):
            return
        holder = await self.require_holder(request)
        if holder.user_id is not None:
            raise Problem(403, "This token speaks for one listener only.")

    def is_trusted(self, request: Request) -> bool:
        client = request.client
        return self.open_to_loopback and client is not None and is_loopback(client.host)

    async def require_holder(self, request: Request) -> Holder:
        token = find_token(request)
        if token is None:
            raise unauthorized("A token is needed; who runs this makes one: `./nocturne tokens`.")
        known = self.known.get(token)
        if known is None:
            known = (await run_sync(find_holder, self.database, token),)
            self.known[token] = known
        (holder,) = known
        if holder is None:
            raise unauthorized("This token is not valid, or not any more.")
        return holder


def unauthorized(detail: str) -> Problem:
    return Problem(401, detail, {"WWW-Authenticate": 'Bearer realm="nocturne"'})


def find_token(request: Request) -> str | None:
    """From `Authorization: Bearer`, or the cookie that the page for tokens sets."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else request.cookies.get(COOKIE)


@lru_cache(maxsize=100)
def is_loopback(host: str) -> bool:
    """Of an address; a name other than localhost may lead anywhere."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def require_own_page(method: str, origin: str, host: str) -> None:
    """Refuse what another site's page sends with this browser's cookies, or from this machine."""
    if method not in SAFE_METHODS and not is_same(origin, host):
        raise Problem(403, f"A page of {origin} may not act here.")


def is_same(origin: str, host: str) -> bool:
    try:
        return urlsplit(origin).netloc == host
    except ValueError:
        return False


def require_known_host(host: str) -> None:
    """On loopback, names that lead here by another's doing (DNS rebinding) are refused."""
    if not is_local(host):
        raise Problem(421, f"This server is reached as localhost, not as {host!r}.")


@lru_cache(maxsize=100)
def is_local(host: str) -> bool:
    """Of a Host header."""
    try:
        return is_loopback(urlsplit(f"//{host}").hostname or "")
    except ValueError:
        return False
