"""What an open page is told, and when it is told no more."""

import asyncio

from nocturne.web.api.listeners import tell
from nocturne.web.hub import Current, Subscription, is_newer
from nocturne.web.recommender_state import State

FIRST, SECOND = Current(1, "v1", b"{}"), Current(2, "v1", b"{}")


class Pages:
    """A hub that has these to tell."""

    def __init__(self, *told):
        self.told = told

    async def follow(self, user_id):
        for one in self.told:
            yield one


def hear(may_go_on, *told):
    async def gather():
        answers = iter(may_go_on)

        async def allowed():
            return next(answers)

        return [event async for event in tell(Pages(*told), "anna", allowed)]

    return asyncio.run(gather())


def test_lists_and_states_are_told_by_their_names():
    said = hear([True] * 3, FIRST, State("behind", 7), None)
    assert [event.event for event in said] == ["recommendations", "state"]
    assert said[1].data == '{"name": "behind", "behind": 7}'


def test_a_stream_ends_when_its_token_is_revoked_even_if_nothing_happens():
    assert len(hear([True, False], FIRST, None, SECOND)) == 1
    assert len(hear([True, False], FIRST, SECOND, SECOND)) == 1


def test_a_page_is_woken_by_each_kind_of_change():
    async def follow():
        page = Subscription()
        assert not await page.wait(0.01)
        page.wake()
        assert await page.wait(0.01)
        assert page.take() == (None, False)
        page.put(FIRST)
        page.put(SECOND)
        assert page.take() == (SECOND, False), "only the newest waits"
        page.put(None)
        assert page.take() == (None, True)
        assert not await page.wait(0.01)

    asyncio.run(follow())


def test_of_two_lists_the_later_or_that_of_another_version_is_newer():
    assert is_newer(SECOND, FIRST)
    assert not is_newer(FIRST, FIRST)
    assert not is_newer(FIRST, SECOND)
    assert is_newer(Current(1, "v2", b""), FIRST)
