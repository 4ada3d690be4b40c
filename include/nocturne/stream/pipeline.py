"""Two steps that overlap: one item is prepared while the one before is finished."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Generic, TypeVar

Item = TypeVar("Item")
Prepared = TypeVar("Prepared")


class Pipeline(Generic[Item, Prepared]):
    """Items go through both steps in order; at most one waits for the second.

    Whoever puts items in waits while the second step is behind, so that a slow sink slows its
    source. Use as a context manager: leaving it waits, and raises what the second step raised.
    """

    def __init__(
        self, prepare: Callable[[Item], Prepared], finish: Callable[[Prepared], None]
    ) -> None:
        self.prepare = prepare
        self.finish = finish
        self.thread = ThreadPoolExecutor(1)
        self.pending: Future[None] | None = None

    def __enter__(self) -> "Pipeline[Item, Prepared]":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self.settle()
        finally:
            self.thread.shutdown()

    def put(self, item: Item) -> None:
        prepared = self.prepare(item)
        self.settle()
        self.pending = self.thread.submit(self.finish, prepared)

    def settle(self) -> None:
        """Wait until everything that was put in is finished; raises what that raised."""
        pending, self.pending = self.pending, None
        if pending is not None:
            pending.result()
