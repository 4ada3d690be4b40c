"""How handlers reach the site."""

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from threading import Lock
from typing import Annotated

from anyio.to_thread import run_sync
from fastapi import Depends, Path, Request

from nocturne.web.access import Access
from nocturne.web.problems import Problem
from nocturne.web.site import Site

OpenSite = Callable[[], AbstractContextManager[Site]]
MakeAccess = Callable[[Site], Access]
LONGEST_ID = 200


class Entrance:
    """The site, opened when it is first needed: an app within another has no start of its own."""

    def __init__(self, open_site: OpenSite, make_access: MakeAccess) -> None:
        self.open_site = open_site
        self.make_access = make_access
        self.site: Site | None = None
        self.access: Access | None = None
        self.exits = ExitStack()
        self.lock = Lock()

    def enter(self) -> Site:
        """Raises what opening raises; the next call tries again."""
        with self.lock:
            if self.site is None:
                self.site = self.exits.enter_context(self.open_site())
                self.access = self.make_access(self.site)
            return self.site

    def close(self) -> None:
        with self.lock:
            self.site = None
            self.exits.close()


async def find_site(request: Request) -> Site:
    entrance: Entrance = request.app.state.entrance
    if entrance.site is not None:
        return entrance.site
    return await run_sync(entrance.enter)


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


TheSite = Annotated[Site, Depends(find_site)]
TheAccess = Annotated[Access, Depends(find_access)]
ListenerId = Annotated[str, Path(min_length=1, max_length=LONGEST_ID, description="a listener")]
TrackId = Annotated[str, Path(min_length=1, max_length=LONGEST_ID, description="a track")]
