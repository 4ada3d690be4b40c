"""Rows that are read again and again, in memory."""

from collections.abc import Callable, Iterable, Mapping
from threading import Lock
from typing import Generic, TypeVar

from cachetools import LRUCache

K = TypeVar("K")
V = TypeVar("V")


class Kept(Generic[K, V]):
    """The `size` entries that were asked for last; `read` gets what is missing, many at once.

    Safe for several threads, which may read the same entry at the same time.
    """

    def __init__(self, size: int, read: Callable[[list[K]], Mapping[K, V]]) -> None:
        self.entries: LRUCache[K, V] = LRUCache(size)
        self.read = read
        self.lock = Lock()

    def find(self, keys: Iterable[K]) -> dict[K, V]:
        """The entries that there are."""
        wanted = list(dict.fromkeys(keys))
        with self.lock:
            found = {key: self.entries[key] for key in wanted if key in self.entries}
        missing = [key for key in wanted if key not in found]
        if missing:
            read = self.read(missing)
            self.keep(read)
            found.update(read)
        return found

    def keep(self, entries: Mapping[K, V]) -> None:
        """As if they had been asked for."""
        with self.lock:
            self.entries.update(entries)
