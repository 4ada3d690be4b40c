"""The live recommender: reads what listeners do, remembers it, and says what they are shown next.

A batch of `user_activity` becomes one Kafka transaction: its lists and the offsets that it has
read. Whoever is given a partition takes its transactional id, which ends what the last owner had
not finished. Listeners are stored before, each change on top of the one that
was read; so a batch that is done again after a crash changes nothing, and its lists are the same.
"""

import logging
from collections import defaultdict
from collections.abc import Callable
from threading import Event
from typing import Any

from confluent_kafka import Consumer, Producer, TopicPartition
from pymongo.database import Database
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    sleep_using_event,
    wait_random_exponential,
)

from nocturne.errors import ServiceUnavailable
from nocturne.live.desk import Desk
from nocturne.live.memory import Shown, to_deed
from nocturne.store import failures
from nocturne.store.collections import ensure_collections
from nocturne.stream.checking import check_batch
from nocturne.stream.connection import KafkaConfig, explaining, open_admin, open_consumer
from nocturne.stream.messages import Recommendations, RecommendedTrack, UserActivity
from nocturne.stream.offsets import measure_topic
from nocturne.stream.reading import Batch, read_group
from nocturne.stream.topics import RECOMMENDATIONS, USER_ACTIVITY, ensure_topics
from nocturne.stream.transactions import (
    TRANSACTION_SECONDS,
    close_producer,
    open_transactional,
    transaction,
)

log = logging.getLogger(__name__)
Document = dict[str, Any]
LONGEST_PAUSE_SECONDS = 5
"""Between attempts while a server is away: somebody waits for the page."""
# What comes while a batch is worked on makes the next one larger; waiting for more gains nothing.
LINGER_SECONDS = 0.001


class LiveRecommender:
    """Follows `user_activity`; instances of one database share its partitions.

    Within a partition, and so for a listener, everything happens in order.
    """

    def __init__(self, config: KafkaConfig, database: Database[Document], desk: Desk) -> None:
        self.config = config
        self.database = database
        self.desk = desk
        self.group = name_group(database)
        self.writer: Producer | None = None
        self.made = 0
        self.told: dict[int, int] = {}

    def follow(self, stopped: Event) -> int:
        """Until stopped; how many lists were made. A server that goes away is waited for.

        Raises BadInput if a login is refused, or nothing was published yet, ServiceUnavailable if a
        server is away at the beginning.
        """
        with failures.explaining(self.database["listeners"]):
            self.desk.published.live()
            ensure_collections(self.database)
        ensure_topics(self.config, (USER_ACTIVITY, RECOMMENDATIONS))

        def say(state: RetryCallState) -> None:
            failure = state.outcome and state.outcome.exception()
            log.warning("%s Trying again in %.1f s.", failure, state.upcoming_sleep)

        again = Retrying(
            retry=retry_if_exception_type(ServiceUnavailable),
            wait=wait_random_exponential(multiplier=0.2, max=LONGEST_PAUSE_SECONDS),
            stop=lambda _: stopped.is_set(),
            sleep=sleep_using_event(stopped),
            before_sleep=say,
            reraise=True,
        )
        try:
            again(self.read, stopped)
        except ServiceUnavailable as error:
            if not stopped.is_set():
                raise
            log.info("Stopped while waiting: %s", error)
        return self.made

    def read(self, stopped: Event) -> None:
        topic = USER_ACTIVITY.name
        listeners = self.database["listeners"]
        with explaining(self.config, f"following {topic}"), failures.explaining(listeners):
            consumer = open_consumer(self.config, self.group)
            try:
                start_at = self.take_over(consumer)
                batches = read_group(
                    consumer, topic, start_at, self.let_go, stopped, LINGER_SECONDS
                )
                for batch in batches:
                    # Transactions take offsets too, which hold no message.
                    if batch.messages or batch.offsets.items() - self.told.items():
                        self.handle(consumer, batch)
            finally:
                self.let_go()
                consumer.close()

    def take_over(self, consumer: Consumer) -> Callable[[list[int]], dict[int, int]]:
        """How reading begins: as the partitions' writer, where the last one has stopped."""

        def start_at(partitions: list[int]) -> dict[int, int]:
            self.take_ids(partitions)
            extent = measure_topic(open_admin(self.config), USER_ACTIVITY.name)
            asked = [TopicPartition(USER_ACTIVITY.name, part) for part in partitions]
            committed = consumer.committed(asked, timeout=TRANSACTION_SECONDS)
            known = {part.partition: part.offset for part in committed if part.offset >= 0}
            return {
                part: choose_start(part, known.get(part), extent.first[part], extent.end[part])
                for part in partitions
            }

        return start_at

    def take_ids(self, partitions: list[int]) -> None:
        """The last owner of a partition wrote under the id of one of theirs, we do under our first:
        a transaction for each partition would be as many pauses in a batch.
        """
        self.let_go()
        for partition in sorted(partitions):
            writer = open_transactional(self.config, f"{self.group}/{partition}")
            if self.writer is None:
                self.writer = writer
            else:
                close_producer(writer)

    def let_go(self) -> None:
        if self.writer is not None:
            close_producer(self.writer)
            self.writer = None
        self.told = {}

    def handle(self, consumer: Consumer, batch: Batch) -> None:
        checked = check_batch(USER_ACTIVITY, UserActivity, batch)
        for poison in checked.poison:
            # It is load_listens that sets it aside.
            log.warning("%s breaks a rule, %s: %s", USER_ACTIVITY.name, poison.rule, poison.error)
        lists = self.renew_lists(checked.documents)
        read = [TopicPartition(USER_ACTIVITY.name, *place) for place in batch.offsets.items()]
        self.send(consumer, read, lists)
        self.told |= batch.offsets

    def renew_lists(self, events: list[Document]) -> list[Shown]:
        """The lists of everybody who did something, newly made and stored where that is new.

        What is done to tracks that the live version lacks could move no list.
        """
        published = self.desk.published
        present = published.find_present(published.live(), (event["track_id"] for event in events))
        by_listener: dict[str, list[Document]] = defaultdict(list)
        for event in events:
            if event["track_id"] in present:
                by_listener[event["user_id"]].append(event)
        shown: list[Shown] = []
        changes = []
        for user_id, remembered in self.desk.memory.recall(by_listener).items():
            listener = remembered.listener
            deeds = sorted(map(to_deed, by_listener[user_id]))
            if sum(map(listener.note, deeds)):
                self.desk.forget(listener)
                changes.append((listener, self.desk.renew(listener, remembered.seq + 1)))
            elif remembered.shown:
                shown.append(remembered.shown)
        return shown + self.desk.memory.store(changes)

    def send(self, consumer: Consumer, read: list[TopicPartition], lists: list[Shown]) -> None:
        if self.writer is None:
            raise ServiceUnavailable("The partitions have gone to another live recommender.")
        with transaction(self.writer) as writer:
            for shown in lists:
                value = to_message(shown).model_dump_json(by_alias=True).encode()
                writer.produce(RECOMMENDATIONS.name, value, shown.user_id.encode())
            group = consumer.consumer_group_metadata()
            writer.send_offsets_to_transaction(read, group, TRANSACTION_SECONDS)
        self.made += len(lists)


def name_group(database: Database[Document]) -> str:
    """The consumer group of the recommenders that write to a database."""
    return f"nocturne-live-{database.name}"


def choose_start(partition: int, committed: int | None, first: int, end: int) -> int:
    """Where the group goes on; at the first record that is there if it has read nothing yet."""
    if committed is None:
        return first
    if first <= committed <= end:
        return committed
    log.warning(
        "%s[%d] was read up to %d, but holds %d to %d: retention has removed what was not read, or"
        " the topic was made anew. Going on with the first that is there; what was loaded into"
        " MongoDB is not lost.", USER_ACTIVITY.name, partition, committed, first, end,
    )  # fmt: skip
    return first


def to_message(shown: Shown, contract: type[Recommendations] = Recommendations) -> Recommendations:
    tracks = [RecommendedTrack(**vars(track)) for track in shown.tracks]
    return contract(
        schema=1,
        user_id=shown.user_id,
        seq=shown.seq,
        version=shown.version,
        at=shown.at,
        tracks=tracks,
    )
