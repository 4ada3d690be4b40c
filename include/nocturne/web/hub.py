"""What listeners are shown, as it changes: from the topic `recommendations` to open pages."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from threading import Event, Thread
from time import monotonic

from cachetools import LRUCache
from confluent_kafka import Consumer, Message, TopicPartition
from pydantic import ValidationError
from pymongo.errors import PyMongoError

from nocturne.errors import NocturneError
from nocturne.live.desk import Desk
from nocturne.live.memory import Shown
from nocturne.live.recommender import to_message
from nocturne.stream.connection import (
    REQUEST_SECONDS,
    KafkaConfig,
    explaining,
    open_admin,
    open_consumer,
)
from nocturne.stream.messages import Recommendations
from nocturne.stream.offsets import measure_topic
from nocturne.stream.reading import is_readable
from nocturne.stream.topics import RECOMMENDATIONS, ensure_topics
from nocturne.web.batches import Batches
from nocturne.web.recommender_state import RecommenderWatch, State

log = logging.getLogger(__name__)
LISTS_KEPT = 50_000
PAUSE_SECONDS = 1.0
POLL_SECONDS = 0.5
# How long a page hears nothing before it is asked whether it may still listen.
TURN_SECONDS = 5.0
# Partitions that the topic has got meanwhile are read after this.
LOOK_AGAIN_SECONDS = 60
GROUP = "nocturne-web"


@dataclass(frozen=True)
class Current:
    """A listener's list as JSON."""

    seq: int
    version: str
    body: bytes

    @property
    def event_id(self) -> str:
        return f"{self.seq}.{self.version}"


@dataclass(eq=False)
class Subscription:
    """One open page: only the newest list is waiting for it."""

    newest: Current | None = None
    unsure: bool = False
    """There may be another list, which has to be looked up."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, current: Current | None) -> None:
        """None: another list may be there."""
        self.newest, self.unsure = current, current is None
        self.changed.set()

    def wake(self) -> None:
        """Something else than the list has changed."""
        self.changed.set()

    async def wait(self, seconds: float) -> bool:
        """Whether something has changed."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.changed.wait(), seconds)
        return self.changed.is_set()

    def take(self) -> tuple[Current | None, bool]:
        """The newest list and whether there may be another, once."""
        found = self.newest, self.unsure
        self.newest, self.unsure = None, False
        self.changed.clear()
        return found


class Hub:
    """Follows the topic in a thread of its own from the first call on; the rest happens on the
    event loop of that call.
    """

    def __init__(self, config: KafkaConfig, desk: Desk) -> None:
        self.config = config
        self.desk = desk
        self.lists: LRUCache[str, Current] = LRUCache(LISTS_KEPT)
        self.batches = Batches(self.read_lists)
        self.pages: dict[str, set[Subscription]] = defaultdict(set)
        self.stopped = Event()
        self.threads: list[Thread] = []
        # Lists are kept only while nothing can have been missed.
        self.following = False
        self.epoch = 0
        self.version: str | None = None
        self.watch = RecommenderWatch(config, desk.published.database)
        self.state: State | None = None

    def start(self) -> None:
        """Once; must be called on the event loop."""
        if not self.threads:
            loop = asyncio.get_running_loop()
            for work in (self.follow_lists, self.watch_version, self.watch_recommender):
                thread = Thread(target=work, args=(loop,), name=work.__name__, daemon=True)
                self.threads.append(thread)
                thread.start()

    def stop(self) -> None:
        self.stopped.set()
        for thread in self.threads:
            thread.join()

    def peek(self, user_id: str) -> bytes | None:
        """The listener's list, if it is certain without asking the database."""
        current = self.lists.get(user_id)
        if current is None or not self.following or current.version != self.version:
            return None
        return current.body

    async def look_up(self, user_id: str) -> Current:
        epoch = self.epoch
        current = await self.batches.ask(user_id)
        if self.following and epoch == self.epoch:
            self.keep(user_id, current)
        return current

    def read_lists(self, user_ids: list[str]) -> dict[str, Current]:
        shown = self.desk.show_all(user_ids)
        return {user_id: to_current(one) for user_id, one in shown.items()}

    def keep(self, user_id: str, current: Current) -> None:
        """Unless a newer list is kept."""
        before = self.lists.get(user_id)
        if before is None or before.seq <= current.seq:
            self.lists[user_id] = current

    @asynccontextmanager
    async def subscribe(self, user_id: str) -> AsyncIterator[Subscription]:
        subscription = Subscription()
        self.pages[user_id].add(subscription)
        try:
            yield subscription
        finally:
            self.pages[user_id].discard(subscription)
            if not self.pages[user_id]:
                del self.pages[user_id]

    async def follow(self, user_id: str) -> AsyncIterator[Current | State | None]:
        """What the listener is shown now, and whatever they are shown after it; the recommender's
        state whenever that changes; None after TURN_SECONDS in which nothing did.
        """
        self.start()
        async with self.subscribe(user_id) as subscription:
            last, state = await self.look_up(user_id), None
            yield last
            while True:
                if self.state != state:
                    state = self.state
                    yield state
                if not await subscription.wait(TURN_SECONDS):
                    yield None
                current, unsure = subscription.take()
                current = await self.look_up(user_id) if unsure else current
                if current is not None and is_newer(current, last):
                    last = current
                    yield current

    @property
    def open_pages(self) -> int:
        return sum(map(len, self.pages.values()))

    def deliver(self, user_id: str, current: Current) -> None:
        self.keep(user_id, current)
        for page in self.pages.get(user_id, ()):
            page.put(current)

    def begin(self, following: bool) -> None:
        """From now on nothing is missed, or something may be: what was kept is not certain."""
        self.following = following
        self.epoch += 1
        self.lists.clear()
        if following:
            for pages in self.pages.values():
                for page in pages:
                    page.put(None)

    def change_version(self, version: str | None) -> None:
        if version != self.version:
            self.version = version
            self.begin(self.following)

    def follow_lists(self, loop: asyncio.AbstractEventLoop) -> None:
        while not self.stopped.is_set():
            try:
                with explaining(self.config, f"following {RECOMMENDATIONS.name}"):
                    self.read(loop)
            except NocturneError as error:
                log.warning("%s Pages stand still until it is back.", error)
                loop.call_soon_threadsafe(self.begin, False)
                self.stopped.wait(PAUSE_SECONDS)

    def read(self, loop: asyncio.AbstractEventLoop) -> None:
        """Every partition from its end on, as every instance of the app does."""
        ensure_topics(self.config, (RECOMMENDATIONS,))
        with closing(open_consumer(self.config, GROUP)) as consumer:
            while not self.stopped.is_set():
                ends = measure_topic(open_admin(self.config), RECOMMENDATIONS.name).end
                parts = [TopicPartition(RECOMMENDATIONS.name, *end) for end in ends.items()]
                consumer.assign(parts)
                loop.call_soon_threadsafe(self.begin, True)
                self.follow_partitions(loop, consumer, len(ends))

    def follow_partitions(
        self, loop: asyncio.AbstractEventLoop, consumer: Consumer, partitions: int
    ) -> None:
        """Until the topic has another number of partitions."""
        look_again = monotonic() + LOOK_AGAIN_SECONDS
        while not self.stopped.is_set():
            message = consumer.poll(POLL_SECONDS)
            if message is not None and is_readable(message) and message.error() is None:
                self.pass_on(loop, message)
            if monotonic() > look_again:
                if count_partitions(consumer) != partitions:
                    return
                look_again = monotonic() + LOOK_AGAIN_SECONDS

    def pass_on(self, loop: asyncio.AbstractEventLoop, message: Message) -> None:
        value = message.value() or b""
        try:
            made = Recommendations.model_validate_json(value)
        except ValidationError as error:
            log.warning("%s holds what is no list: %s", RECOMMENDATIONS.name, error)
            return
        current = Current(made.seq, made.version, value)
        loop.call_soon_threadsafe(self.deliver, made.user_id, current)

    def watch_version(self, loop: asyncio.AbstractEventLoop) -> None:
        while not self.stopped.wait(PAUSE_SECONDS):
            try:
                version = self.desk.published.live()
            except (NocturneError, PyMongoError) as error:
                log.warning("Which version is live cannot be told: %s", error)
                self.watch.database_answers = False
                continue
            self.watch.database_answers = True
            loop.call_soon_threadsafe(self.change_version, version)

    def watch_recommender(self, loop: asyncio.AbstractEventLoop) -> None:
        while not self.stopped.wait(PAUSE_SECONDS):
            loop.call_soon_threadsafe(self.change_state, self.watch.look())

    def change_state(self, state: State) -> None:
        if state != self.state:
            self.state = state
            for pages in self.pages.values():
                for page in pages:
                    page.wake()


def is_newer(current: Current, last: Current) -> bool:
    """Of lists of one number, that of the version that came last is newer."""
    return current.seq > last.seq or (current.seq == last.seq and current.version != last.version)


def count_partitions(consumer: Consumer) -> int:
    found = consumer.list_topics(RECOMMENDATIONS.name, timeout=REQUEST_SECONDS)
    return len(found.topics[RECOMMENDATIONS.name].partitions)


def to_current(shown: Shown) -> Current:
    body = to_message(shown).model_dump_json(by_alias=True).encode()
    return Current(shown.seq, shown.version, body)
