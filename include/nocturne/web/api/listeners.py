"""What a listener is shown, and what they do."""

from collections.abc import AsyncIterator
from typing import Annotated

from anyio.to_thread import run_sync
from fastapi import APIRouter, Query, Request, Response
from sse_starlette import EventSourceResponse, ServerSentEvent

from nocturne.live.desk import SHOWN
from nocturne.live.recommender import to_message
from nocturne.web.context import ListenerId, TheAccess, TheSite, check_id, find_access, find_site
from nocturne.web.metrics import EVENTS
from nocturne.web.models import MOST_RECOMMENDED, Accepted, Events, Listing
from nocturne.web.problems import responses

JSON = "application/json"
router = APIRouter(tags=["listeners"])


@router.get(
    "/listeners/{user_id}/recommendations",
    response_model=Listing,
    responses=responses(401, 403, 404, 422, 429, 503),
)
async def read_recommendations(
    request: Request,
    user_id: ListenerId,
    n: Annotated[int, Query(ge=1, le=MOST_RECOMMENDED, description="how many")] = SHOWN,
) -> Response:
    """What the listener is shown now; for one who is not known, what anybody is."""
    # Not as dependencies: looking for those takes FastAPI as long as all the rest.
    site, access = await find_site(request), await find_access(request)
    await access.require_listener(request, check_id(user_id))
    site.hub.start()
    if n != SHOWN:
        shown = await run_sync(site.desk.list_more, user_id, n)
        return Response(to_message(shown, Listing).model_dump_json(by_alias=True), media_type=JSON)
    body = site.hub.peek(user_id) or (await site.hub.look_up(user_id)).body
    return Response(body, media_type=JSON)


@router.get(
    "/listeners/{user_id}/stream",
    response_class=EventSourceResponse,
    responses=responses(401, 403, 404, 422, 429, 503),
)
async def stream_recommendations(
    request: Request, site: TheSite, access: TheAccess, user_id: ListenerId
) -> EventSourceResponse:
    """Server-sent events named `recommendations`: the list of now, then each new one."""
    await access.require_listener(request, check_id(user_id))
    site.hub.start()
    await site.hub.look_up(user_id)  # what is wrong is told before the stream begins

    async def tell() -> AsyncIterator[ServerSentEvent]:
        async for current in site.hub.lists_of(user_id):
            yield ServerSentEvent(
                current.body.decode(), event="recommendations", id=current.event_id
            )

    return EventSourceResponse(tell(), ping=15)


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
