"""The site is opened once, for everybody who asks, and nobody waits long for it."""

import asyncio
import time
from contextlib import contextmanager
from threading import Event
from types import SimpleNamespace

import pytest

from nocturne.errors import ServiceUnavailable
from nocturne.web import context
from nocturne.web.context import Entrance, find_site

SECONDS = 10


def request_of(entrance):
    return SimpleNamespace(app=SimpleNamespace(state=SimpleNamespace(entrance=entrance)))


def make_entrance(open_site):
    return Entrance(contextmanager(open_site), lambda site: f"access to {site}")


async def ask_many(entrance, count):
    asked = (find_site(request_of(entrance)) for _ in range(count))
    return await asyncio.gather(*asked, return_exceptions=True)


def test_everybody_waits_for_the_same_opening():
    opened, closed = [], []

    def open_site():
        time.sleep(0.1)
        opened.append(1)
        yield "site"
        closed.append(1)

    entrance = make_entrance(open_site)
    assert asyncio.run(ask_many(entrance, 50)) == ["site"] * 50
    assert (opened, entrance.access) == ([1], "access to site")
    entrance.close()
    assert closed == [1]


def test_servers_that_do_not_answer_are_told_soon_to_all(monkeypatch):
    monkeypatch.setattr(context, "PATIENCE_SECONDS", 0.2)
    answered, attempts = Event(), []

    def open_site():
        attempts.append(1)
        assert answered.wait(SECONDS)
        yield "site"

    entrance = make_entrance(open_site)
    begun = time.monotonic()
    for _ in range(2):
        found = asyncio.run(ask_many(entrance, 50))
        assert all(isinstance(one, ServiceUnavailable) for one in found)
        assert "./nocturne up" in str(found[0])
    assert time.monotonic() - begun < 2
    assert attempts == [1], "the same opening goes on"
    answered.set()
    monkeypatch.setattr(context, "PATIENCE_SECONDS", SECONDS)
    assert asyncio.run(ask_many(entrance, 2)) == ["site"] * 2


def test_what_has_failed_is_tried_again():
    attempts = []

    def open_site():
        attempts.append(1)
        if len(attempts) == 1:
            raise ServiceUnavailable("MongoDB is away.")
        yield "site"

    entrance = make_entrance(open_site)
    with pytest.raises(ServiceUnavailable, match="MongoDB is away"):
        asyncio.run(find_site(request_of(entrance)))
    assert asyncio.run(find_site(request_of(entrance))) == "site"


def test_closing_does_not_wait_for_servers_that_are_away(monkeypatch):
    monkeypatch.setattr(context, "PATIENCE_SECONDS", 0.2)
    never = Event()

    def open_site():
        never.wait(SECONDS)
        yield "site"

    entrance = make_entrance(open_site)
    entrance.begin()
    begun = time.monotonic()
    entrance.close()
    assert time.monotonic() - begun < 2
    never.set()
