"""What a listener is shown, and what they do."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import asdict
from typing import Annotated

from anyio.to_thread import run_sync
from fastapi import APIRouter, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import Field, TypeAdapter, ValidationError
from sse_starlette import EventSourceResponse, ServerSentEvent

from nocturne.live.desk import SHOWN
from nocturne.live.recommender import to_message
from nocturne.web.context import (
    LONGEST_ID,
    ListenerId,
    TheAccess,
    TheSite,
    check_listener,
    find_access,
    find_site,
)
from nocturne.web.hub import Current, Hub
from nocturne.web.metrics import EVENTS
from nocturne.web.models import MOST_RECOMMENDED, Accepted, Events, Listing
from nocturne.web.problems import Problem, responses

JSON = "application/json"
COUNT = TypeAdapter(Annotated[int, Field(ge=1, le=MOST_RECOMMENDED)])
PARAMETERS = [
    {
        "name": "user_id",
        "in": "path",
        "required": True,
        "description": "a listener",
        "schema": {"type": "string", "minLength": 1, "maxLength": LONGEST_ID},
    },
    {
        "name": "n",
        "in": "query",
        "description": "how many",
        "schema": {**COUNT.json_schema(), "default": SHOWN},
    },
]
router = APIRouter(tags=["listeners"])


@router.get(
    "/listeners/{user_id}/recommendations",
    response_model=Listing,
    responses=responses(401, 403, 404, 422, 429, 503),
    openapi_extra={"parameters": PARAMETERS},
)
async def read_recommendations(request: Request) -> Response:
    """What the listener is shown now; for one who is not known, what anybody is.

    Every page asks for it first: to look for parameters and dependencies takes FastAPI as long
    as all the rest.
    """
    user_id, count = check_listener(request.path_params["user_id"]), read_count(request)
    site, access = await find_site(request), await find_access(request)
    await access.require_listener(request, user_id)
    site.hub.start()
    if count != SHOWN:
        shown = await run_sync(site.desk.list_more, user_id, count)
        return Response(to_message(shown, Listing).model_dump_json(by_alias=True), media_type=JSON)
    body = site.hub.peek(user_id) or (await site.hub.look_up(user_id)).body
    return Response(body, media_type=JSON)


def read_count(request: Request) -> int:
    """The parameter `n`. Raises RequestValidationError."""
    try:
        return COUNT.validate_python(request.query_params.get("n", SHOWN))
    except ValidationError as error:
        faults = [{**fault, "loc": ("query", "n")} for fault in error.errors()]
        raise RequestValidationError(faults) from error


@router.get(
    "/listeners/{user_id}/stream",
    response_class=EventSourceResponse,
    responses=responses(401, 403, 404, 422, 429, 503),
)
async def stream_recommendations(
    request: Request, site: TheSite, access: TheAccess, user_id: ListenerId
) -> EventSourceResponse:
    """Server-sent events: `recommendations`, the list of now, then each new one; and `state`,
    whether the recommender is up to date, whenever that changes. The stream ends when its token is
    revoked.
    """
    user_id = check_listener(user_id)
    await access.require_listener(request, user_id)
    site.hub.start()
    await site.hub.look_up(user_id)  # what is wrong is told before the stream begins

    async def may_go_on() -> bool:
        try:
            await access.require_listener(request, user_id)
        except Problem:
            return False
        return True

    return EventSourceResponse(tell(site.hub, user_id, may_go_on), ping=15)


async def tell(
    hub: Hub, user_id: str, may_go_on: Callable[[], Awaitable[bool]]
) -> AsyncIterator[ServerSentEvent]:
    """What a page is told, until it may not be any more."""
    async for told in hub.follow(user_id):
        if not await may_go_on():
            return
        if isinstance(told, Current):
            yield ServerSentEvent(told.body.decode(), event="recommendations", id=told.event_id)
        elif told is not None:
            yield ServerSentEvent(json.dumps(asdict(told)), event="state")


@router.post(
    "/events", status_code=202, responses=responses(400, 401, 403, 413, 415, 422, 429, 503)
)
async def send_events(
    request: Request, site: TheSite, access: TheAccess, events: Events
) -> Accepted:
    """Take what listeners did: all events or none. An event that is sent again, known by its
    event_id, has no further effect.
    """
    for user_id in {event.user_id for event in events}:
        await access.require_listener(request, user_id)
    await run_sync(site.sender.send, events)
    EVENTS.inc(len(events))
    return Accepted(accepted=len(events))
