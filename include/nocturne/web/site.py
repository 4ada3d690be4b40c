"""What the web app stands on: the database, the published tables, Kafka."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event, Lock, Thread
from time import monotonic, sleep
from typing import Any

from pymongo.database import Database
from pymongo.errors import PyMongoError

from nocturne.errors import NocturneError
from nocturne.live.desk import Desk, open_desk
from nocturne.live.published import Published
from nocturne.live.simulation import Simulator
from nocturne.recommend.titles import Titles, Track
from nocturne.settings import Settings
from nocturne.store.collections import connect, ensure_collections
from nocturne.stream.activity import ActivitySender
from nocturne.stream.connection import KafkaConfig
from nocturne.web.hub import Hub
from nocturne.web.metrics import OPEN_STREAMS
from nocturne.web.readiness import Readiness

log = logging.getLogger(__name__)
Document = dict[str, Any]
# Somebody waits for the page, three seconds at most with what is done around it.
PATIENCE_SECONDS = 2.5
# Some five milliseconds of work.
TRACKS_AT_ONCE = 100
LONGEST_REST_SECONDS = 0.05
LOOK_SECONDS = 1


class LiveTitles:
    """The titles of the live version; while those of a new one are read, who asks waits for them.

    They are read in small parts with rests between, unless somebody waits for them: a thread that
    computes on and on would hold up every answer of the process for seconds.
    """

    def __init__(self, published: Published) -> None:
        self.published = published
        self.lock = Lock()
        self.read_for: str | None = None
        self.titles: Titles | None = None
        self.hurried = False
        self.closed = Event()

    def get(self) -> Titles:
        """Those of the version that is live at this moment."""
        self.hurried = True
        try:
            return self.prepare()
        finally:
            self.hurried = False

    def prepare(self) -> Titles:
        """One version is read at a time, and the last one asked for is kept."""
        with self.lock:
            version = self.published.look()
            if self.titles is None or self.read_for != version:
                self.titles = Titles(self.read_tracks(version))
                self.read_for = version
            return self.titles

    def read_tracks(self, version: str) -> Iterator[Track]:
        """The names are kept for the lists, too."""
        begun = monotonic()
        for tracks in self.published.catalogue.read_tracks(version, TRACKS_AT_ONCE):
            self.published.keep_names(version, tracks)
            yield from tracks
            if not self.hurried:
                sleep(min(monotonic() - begun, LONGEST_REST_SECONDS))
            begun = monotonic()

    def follow(self) -> None:
        """Read each version as it goes live, so that nobody has to wait for what is needed soon."""
        while not self.closed.is_set():
            self.warm_up()
            self.closed.wait(LOOK_SECONDS)

    def warm_up(self) -> None:
        try:
            self.prepare()
        except (NocturneError, PyMongoError) as error:
            log.debug("No titles yet: %s", error)


@dataclass(frozen=True)
class Site:
    settings: Settings
    database: Database[Document]
    published: Published
    desk: Desk
    titles: LiveTitles
    sender: ActivitySender
    simulator: Simulator
    hub: Hub
    readiness: Readiness


@contextmanager
def open_site(settings: Settings, config: KafkaConfig) -> Iterator[Site]:
    """Raises ServiceUnavailable or BadInput if a server does not answer or refuses the login."""
    with (
        connect(settings, PATIENCE_SECONDS, PATIENCE_SECONDS) as client,
        ActivitySender(config) as sender,
    ):
        database = client[settings.mongo_database]
        ensure_collections(database, settings.tracks_collection)
        desk = open_desk(database, settings)
        published = desk.published
        hub = Hub(config, desk)
        OPEN_STREAMS.set_function(lambda: hub.open_pages)
        simulator = Simulator(desk, sender)
        titles = LiveTitles(published)
        Thread(target=titles.follow, daemon=True).start()
        try:
            yield Site(
                settings, database, published, desk, titles, sender, simulator, hub,
                Readiness(database, config),
            )  # fmt: skip
        finally:
            titles.closed.set()
            simulator.stop()
            hub.stop()
