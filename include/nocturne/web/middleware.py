"""What happens to every request: it is counted, limited in rate and size, and answered safely."""

import time
from http import HTTPStatus

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from nocturne.web.access import require_known_host, require_own_page
from nocturne.web.metrics import LIMITED, REQUESTS, SECONDS
from nocturne.web.problems import Problem, answer_problem

LIMITED_PATHS = "/api/"
LARGEST_BODY_BYTES = 1_000_000
SECURITY = {
    # Plotly sets styles on its elements.
    "Content-Security-Policy": (
        "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:;"
        " object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}
NO_ROUTE = "none"
TOO_LARGE = f"A request holds at most {LARGEST_BODY_BYTES:,} bytes."


class Gate:
    """Refuses what must not get in, and counts everything."""

    def __init__(self, app: ASGIApp, requests_per_minute: int, only_loopback: bool) -> None:
        self.app = app
        self.limit = RateLimitItemPerMinute(requests_per_minute)
        self.limiter = FixedWindowRateLimiter(MemoryStorage())
        self.only_loopback = only_loopback

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun = time.perf_counter()
        headers = dict(SECURITY)
        status = HTTPStatus.INTERNAL_SERVER_ERROR.value

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message).update(headers)
                SECONDS.labels(name_route(scope)).observe(time.perf_counter() - begun)
            await send(message)

        request = Request(scope)
        try:
            self.require_allowed(request)
            headers |= self.require_few(request)
            await self.app(scope, limit_body(receive), answer)
        except Problem as problem:
            await answer_problem(request, problem)(scope, receive, answer)
        finally:
            REQUESTS.labels(name_route(scope), scope["method"], status).inc()

    def require_allowed(self, request: Request) -> None:
        if self.only_loopback:
            require_known_host(request)
        require_own_page(request)
        length = request.headers.get("content-length", "")
        if length.isdecimal() and int(length) > LARGEST_BODY_BYTES:
            raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, TOO_LARGE)

    def require_few(self, request: Request) -> dict[str, str]:
        """Count a request to the API; the headers that tell its client what is left."""
        path: str = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
        if not path.startswith(LIMITED_PATHS):
            return {}
        client = request.client.host if request.client else ""
        taken = self.limiter.hit(self.limit, client)
        ends, left = self.limiter.get_window_stats(self.limit, client)
        seconds = str(max(1, round(ends - time.time())))
        headers = {
            "X-RateLimit-Limit": str(self.limit.amount),
            "X-RateLimit-Remaining": str(left),
            "X-RateLimit-Reset": seconds,
        }
        if not taken:
            LIMITED.inc()
            detail = f"More than {self.limit.amount} requests in a minute; wait {seconds} s."
            limited = {**headers, "Retry-After": seconds}
            raise Problem(HTTPStatus.TOO_MANY_REQUESTS, detail, limited)
        return headers


def name_route(scope: Scope) -> str:
    """The pattern of the route, not the path: there are only so many patterns."""
    return str(getattr(scope.get("route"), "path", NO_ROUTE))


def limit_body(receive: Receive) -> Receive:
    """A body that says no length, or a wrong one, is cut off too."""
    taken = 0

    async def receive_some() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > LARGEST_BODY_BYTES:
            raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, TOO_LARGE)
        return message

    return receive_some
