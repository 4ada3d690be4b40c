"""What happens to every request: it is counted, limited in rate and size, and answered safely."""

import time
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from nocturne.web.access import require_known_host, require_own_page
from nocturne.web.metrics import LIMITED, count_request, time_request
from nocturne.web.problems import Problem, answer_problem
from nocturne.web.rates import RateLimit

LIMITED_PATHS = "/api/"
LARGEST_BODY_BYTES = 1_000_000
POLICY = b"content-security-policy"
OUR_POLICY = (
    # Plotly sets styles on its elements.
    b"default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:;"
    b" object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
)
SAFE = [(b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"same-origin")]
NO_ROUTE = "none"
TOO_LARGE = f"A request holds at most {LARGEST_BODY_BYTES:,} bytes."


Headers = list[tuple[bytes, bytes]]


class Gate:
    """Refuses what must not get in, and counts everything. Every request pays for what is done
    here, so it is done on the plain headers.
    """

    def __init__(self, app: ASGIApp, requests_per_minute: int, only_loopback: bool) -> None:
        self.app = app
        self.rate_limit = RateLimit(requests_per_minute)
        self.only_loopback = only_loopback

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun = time.perf_counter()
        added = SAFE
        status = HTTPStatus.INTERNAL_SERVER_ERROR.value
        method = scope["method"]
        if method == "HEAD":
            scope["method"], send = "GET", without_body(send)

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = add_headers(list(message["headers"]), added)
                time_request(name_route(scope), time.perf_counter() - begun)
            await send(message)

        try:
            self.require_allowed(scope)
            if is_limited(scope):
                added = SAFE + self.require_few(scope)
            await self.app(scope, limit_body(receive), answer)
        except Problem as problem:
            await answer_problem(Request(scope), problem)(scope, receive, answer)
        finally:
            count_request(name_route(scope), method, status)

    def require_allowed(self, scope: Scope) -> None:
        headers: dict[bytes, bytes] = dict(scope["headers"])
        host = headers.get(b"host", b"").decode("latin-1")
        if self.only_loopback:
            require_known_host(host)
        if b"origin" in headers:
            require_own_page(scope["method"], headers[b"origin"].decode("latin-1"), host)
        length = headers.get(b"content-length", b"")
        sends = length not in (b"", b"0") or b"transfer-encoding" in headers
        if (sends or b"content-type" in headers) and is_limited(scope):
            require_json(headers.get(b"content-type", b""))
        if length.isdigit() and int(length) > LARGEST_BODY_BYTES:
            raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, TOO_LARGE)

    def require_few(self, scope: Scope) -> Headers:
        """Count a request to the API; the headers that tell its client what is left."""
        client = scope.get("client")
        left = self.rate_limit.take(client[0] if client else "")
        headers = [
            (b"x-ratelimit-limit", b"%d" % self.rate_limit.requests),
            (b"x-ratelimit-remaining", b"%d" % max(left.requests, 0)),
            (b"x-ratelimit-reset", b"%d" % left.seconds),
        ]
        if left.requests < 0:
            LIMITED.inc()
            most = self.rate_limit.requests
            detail = f"More than {most} requests in a minute; wait {left.seconds} s."
            told = {name.decode(): value.decode() for name, value in headers}
            told["Retry-After"] = str(left.seconds)
            raise Problem(HTTPStatus.TOO_MANY_REQUESTS, detail, told)
        return headers


def require_json(media: bytes) -> None:
    kind = media.partition(b";")[0].strip().lower()
    if kind != b"application/json" and not kind.endswith(b"+json"):
        detail = "A request to the API holds JSON: Content-Type is application/json."
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail)


def without_body(send: Send) -> Send:
    """Answer a HEAD request with the headers that GET has; a stream ends at once."""
    ended = False

    async def send_headers(message: Message) -> None:
        nonlocal ended
        if message["type"] == "http.response.start":
            await send(message)
        elif not ended:
            ended = True
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    return send_headers


def is_limited(scope: Scope) -> bool:
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", "")).startswith(LIMITED_PATHS)


def add_headers(answer: Headers, added: Headers) -> Headers:
    """An answer that has a policy of its own, or says how long it may be kept, keeps that; others
    are for one person, and of one moment.
    """
    names = {name for name, _ in answer}
    ours = [(POLICY, OUR_POLICY), (b"cache-control", b"private, no-store")]
    return [*answer, *added, *(header for header in ours if header[0] not in names)]


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
