"""Readers who follow the pointer all the time, and compare what they get with whole versions."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from nocturne.settings import Settings
from nocturne.store.collections import connect
from nocturne.store.versions import TABLES, describe_table, live_version

Document = dict[str, Any]
REST_SECONDS = 0.01


class Readers:
    """A thread for each table; `torn` counts reads that are no whole version of `known`.

    `known` has the description of each table by version. `failures` are what ended a reader.
    """

    def __init__(self, settings: Settings, known: Mapping[str, Mapping[str, Document]]) -> None:
        self.settings, self.known = settings, known
        self.reads = self.torn = 0
        self.stopped = threading.Event()
        self.turns = [threading.Lock() for _ in TABLES]
        self.counting = threading.Lock()
        self.failures: list[BaseException] = []
        self.threads = [
            threading.Thread(target=self.poll, args=(table, turn))
            for table, turn in zip(TABLES, self.turns, strict=True)
        ]

    def poll(self, table: str, turn: threading.Lock) -> None:
        try:
            with connect(self.settings) as client:
                database = client[self.settings.mongo_database]
                while not self.stopped.wait(REST_SECONDS):
                    with turn:
                        whole = self.is_whole(database, table)
                    with self.counting:
                        self.reads += 1
                        self.torn += not whole
        except Exception as error:
            self.failures.append(error)
            raise

    def is_whole(self, database: Any, table: str) -> bool:
        live = live_version(database)
        if live is None or live["version"] not in self.known:
            return False
        version = live["version"]
        return bool(describe_table(database, table, version) == self.known[version][table])

    @contextmanager
    def paused(self) -> Iterator[None]:
        """No read is under way: the bench may take away what it would not find otherwise."""
        for turn in self.turns:
            turn.acquire()
        try:
            yield
        finally:
            for turn in self.turns:
                turn.release()

    def __enter__(self) -> "Readers":
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        for thread in self.threads:
            thread.join()
        if self.failures:
            raise self.failures[0]
