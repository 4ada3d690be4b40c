"""Three steps that overlap: items are prepared and finished in order, and stored meanwhile."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Generic, TypeVar

Item = TypeVar("Item")
Prepared = TypeVar("Prepared")
Stored = TypeVar("Stored")
MOST_STORING = 2
"""With one, whoever stores waits between items for the next; a third gained nothing."""


class Pipeline(Generic[Item, Prepared, Stored]):
    """Items are prepared and finished in their order by whoever puts them in; up to MOST_STORING
    are stored at the same time, in any order. `finish` hears whether nothing waits behind the item.

    Whoever puts items in waits while that many are being stored, so that a slow sink slows its
    source. Use as a context manager: leaving it waits, and raises what storing raised.
    """

    def __init__(
        self,
        prepare: Callable[[Item], Prepared],
        store: Callable[[Prepared], Stored],
        finish: Callable[[Prepared, Stored, bool], None],
    ) -> None:
        self.prepare, self.store, self.finish = prepare, store, finish
        self.threads = ThreadPoolExecutor(MOST_STORING)
        self.storing: deque[tuple[Prepared, Future[Stored]]] = deque()

    def __enter__(self) -> "Pipeline[Item, Prepared, Stored]":
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
            self.threads.shutdown()

    def put(self, item: Item) -> None:
        prepared = self.prepare(item)
        while len(self.storing) >= MOST_STORING:
            self.finish_first()
        self.storing.append((prepared, self.threads.submit(self.store, prepared)))

    def settle(self) -> None:
        """Finish everything that was put in; raises what storing it raised."""
        while self.storing:
            self.finish_first()

    def finish_first(self) -> None:
        prepared, stored = self.storing.popleft()
        self.finish(prepared, stored.result(), not self.storing)
