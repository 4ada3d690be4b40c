"""Many who ask at once are answered together."""

import asyncio
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Generic, TypeVar

from anyio.to_thread import run_sync

K = TypeVar("K")
V = TypeVar("V")
MOST_AT_ONCE = 64


class Batches(Generic[K, V]):
    """What is asked while a call of `answer` is under way goes into the next one, in a thread.

    A database then sees a few large queries instead of many small ones at a time, and nobody
    waits for a thread or a connection. `answer` knows every key it is given. For one event loop.
    """

    def __init__(self, answer: Callable[[list[K]], Mapping[K, V]]) -> None:
        self.answer = answer
        self.waiting: dict[K, asyncio.Future[V]] = {}
        self.work: asyncio.Task[None] | None = None

    async def ask(self, key: K) -> V:
        """The answer, read after the question; raises what `answer` raises."""
        future = self.waiting.setdefault(key, asyncio.get_running_loop().create_future())
        if self.work is None or self.work.done():
            self.work = asyncio.create_task(self.answer_all())
        return await asyncio.shield(future)  # others may wait for it, too

    async def answer_all(self) -> None:
        while some := dict(islice(self.waiting.items(), MOST_AT_ONCE)):
            for key in some:
                del self.waiting[key]
            try:
                found = await run_sync(self.answer, list(some))
            except Exception as error:  # noqa: BLE001 - whoever asked gets it
                for future in some.values():
                    future.set_exception(error)
            else:
                for key, future in some.items():
                    future.set_result(found[key])
