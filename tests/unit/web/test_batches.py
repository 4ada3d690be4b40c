"""Questions that come together are answered together, each with its own answer."""

import asyncio
from threading import Event

import pytest

from nocturne.errors import ServiceUnavailable
from nocturne.web.batches import MOST_AT_ONCE, Batches


class Library:
    """Answers when it may, and remembers what it was asked."""

    def __init__(self):
        self.asked = []
        self.open = Event()
        self.open.set()

    def answer(self, keys):
        self.asked.append(keys)
        assert self.open.wait(5)
        if "bad" in keys:
            raise ServiceUnavailable("away")
        return {key: key.upper() for key in keys}


async def ask_behind_one(library, batches, keys):
    """The answers to questions that come while another one is being answered."""
    library.open.clear()
    first = asyncio.create_task(batches.ask("first"))
    while not library.asked:
        await asyncio.sleep(0.001)
    rest = [asyncio.create_task(batches.ask(key)) for key in keys]
    await asyncio.sleep(0.01)
    library.open.set()
    await asyncio.wait([first, *rest])
    return [one.exception() or one.result() for one in (first, *rest)]


def test_who_waits_is_answered_by_one_call():
    library = Library()
    found = asyncio.run(ask_behind_one(library, Batches(library.answer), ["a", "b", "a"]))
    assert found == ["FIRST", "A", "B", "A"]
    assert library.asked == [["first"], ["a", "b"]]


def test_a_call_has_a_limit():
    library = Library()
    keys = [f"key {number}" for number in range(MOST_AT_ONCE + 1)]
    asyncio.run(ask_behind_one(library, Batches(library.answer), keys))
    assert [len(asked) for asked in library.asked] == [1, MOST_AT_ONCE, 1]


def test_a_failure_reaches_those_who_asked_and_nobody_else():
    library = Library()
    batches = Batches(library.answer)

    async def ask():
        failed = await ask_behind_one(library, batches, ["bad", "a"])
        return failed, await batches.ask("a")

    (first, *failed), later = asyncio.run(ask())
    assert (first, later) == ("FIRST", "A")
    assert [str(error) for error in failed] == ["away", "away"]


def test_one_who_goes_away_takes_nobody_along():
    library = Library()
    batches = Batches(library.answer)

    async def ask():
        library.open.clear()
        leaving, staying = (asyncio.create_task(batches.ask("a")) for _ in range(2))
        await asyncio.sleep(0.01)
        leaving.cancel()
        library.open.set()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        return await staying

    assert asyncio.run(ask()) == "A"
