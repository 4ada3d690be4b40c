"""How handlers reach the site."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextlib import AbstractContextManager, ExitStack
from threading import Lock, Thread
from typing import Annotated

from fastapi import Depends, Path, Request

from nocturne.errors import ServiceUnavailable
from nocturne.listener_names import settle_name
from nocturne.web.access import Access
from nocturne.web.problems import Problem
from nocturne.web.site import PATIENCE_SECONDS, Site

OpenSite = Callable[[], AbstractContextManager[Site]]
MakeAccess = Callable[[Site], Access]
LONGEST_ID = 200


class Entrance:
    """The site, opened when it is first needed: an app within another has no start of its own.

    One thread opens it, however many ask; whoever asks waits PATIENCE_SECONDS at most.
    """

    def __init__(self, open_site: OpenSite, make_access: MakeAccess) -> None:
        self.open_site = open_site
        self.make_access = make_access
        self.site: Site | None = None
        self.access: Access | None = None
        self.exits = ExitStack()
        self.lock = Lock()
        self.opening: Future[Site] | None = None

    def begin(self) -> "Future[Site]":
        """The opening that is under way, or a new one: what has failed is tried again."""
        with self.lock:
            if self.opening is None or (self.opening.done() and self.opening.exception()):
                self.opening = Future()
                Thread(target=self.open, args=[self.opening], name="opening", daemon=True).start()
            return self.opening

    def open(self, opening: "Future[Site]") -> None:
        try:
            site = self.exits.enter_context(self.open_site())
            self.access = self.make_access(site)
        except Exception as error:  # noqa: BLE001 - whoever waits gets it
            opening.set_exception(error)
        else:
            self.site = site
            opening.set_result(site)

    def close(self) -> None:
        """Waits for an opening that is under way, but not for servers that are away."""
        with self.lock:
            opening, self.opening, self.site = self.opening, None, None
        if opening is not None:
            wait([opening], PATIENCE_SECONDS)
        self.exits.close()


async def find_site(request: Request) -> Site:
    """Raises ServiceUnavailable if the servers have not answered soon, and what opening raises."""
    entrance: Entrance = request.app.state.entrance
    if entrance.site is not None:
        return entrance.site
    opening = entrance.begin()
    done, _ = await asyncio.wait([asyncio.wrap_future(opening)], timeout=PATIENCE_SECONDS)
    if not done:
        raise ServiceUnavailable(
            "MongoDB or Kafka has not answered yet: `./nocturne status` shows which,"
            " `./nocturne up` starts them."
        )
    return opening.result()


async def find_access(request: Request) -> Access:
    await find_site(request)
    access: Access = request.app.state.entrance.access
    return access


def check_id(value: str) -> str:
    if len(value) > LONGEST_ID:
        raise Problem(422, f"An id has at most {LONGEST_ID} characters.")
    if "\0" in value or "/" in value:
        raise Problem(422, "An id holds neither a slash nor a null character.")
    return value


def check_listener(value: str) -> str:
    """The listener's name as it is kept. Raises Problem if nobody is called so."""
    try:
        return settle_name(value)
    except ValueError as error:
        raise Problem(422, str(error)) from error


TheSite = Annotated[Site, Depends(find_site)]
TheAccess = Annotated[Access, Depends(find_access)]
ListenerId = Annotated[str, Path(min_length=1, max_length=LONGEST_ID, description="a listener")]
TrackId = Annotated[str, Path(min_length=1, max_length=LONGEST_ID, description="a track")]
