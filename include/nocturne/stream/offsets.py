"""Offsets: what a topic holds, what a group has read, and so what there is to read."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from confluent_kafka import (
    Consumer,
    IsolationLevel,
    KafkaError,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import (
    AdminClient,
    OffsetSpec,
)
from tenacity import retry, retry_if_exception, stop_after_delay, wait_fixed

from nocturne.errors import BadInput, NocturneError
from nocturne.stream.connection import REQUEST_SECONDS, log

if TYPE_CHECKING:
    from pymongo.database import Database

Document = dict[str, Any]
Offsets = Mapping[int, int]
SETTLING = {
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
}
# Kafka takes no message that comes from further in the future.
CLOCKS_DIFFER = timedelta(hours=1)
# A group that is being followed takes no commits from others: the follower's own will come.
FOLLOWED = {
    KafkaError.UNKNOWN_MEMBER_ID,
    KafkaError.ILLEGAL_GENERATION,
    KafkaError.REBALANCE_IN_PROGRESS,
    KafkaError._STATE,
}


@dataclass(frozen=True)
class Extent:
    """What a topic holds: by partition, the first offset that is there and the one to come.

    `topic_id` changes when a topic is made anew under its old name.
    """

    topic: str
    topic_id: str
    first: Offsets
    end: Offsets


def is_settling(error: BaseException) -> bool:
    """Has a topic or a group just been made or moved, so that not all brokers know it yet?"""
    return isinstance(error, KafkaException) and error.args[0].code() in SETTLING


@retry(
    retry=retry_if_exception(is_settling),
    stop=stop_after_delay(REQUEST_SECONDS),
    wait=wait_fixed(0.2),
    reraise=True,
)
def measure_topic(admin: AdminClient, topic: str, seconds: float | None = None) -> Extent:
    """The brokers may take so long to answer, REQUEST_SECONDS unless it is given.

    Raises NocturneError if there is no such topic, KafkaException if they do not answer.
    """
    seconds = REQUEST_SECONDS if seconds is None else seconds
    request = admin.describe_topics(TopicCollection([topic]), request_timeout=seconds)
    try:
        described = request[topic].result()
    except KafkaException as error:
        if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
            raise
        raise NocturneError(
            f"There is no Kafka topic {topic}: `./nocturne topics` creates those that Nocturne has."
        ) from error
    parts = [TopicPartition(topic, part.id) for part in described.partitions]
    return Extent(
        topic,
        str(described.topic_id),
        list_offsets(admin, parts, OffsetSpec.earliest(), seconds),  # type: ignore[no-untyped-call]
        list_offsets(admin, parts, OffsetSpec.latest(), seconds),  # type: ignore[no-untyped-call]
    )


def find_window(
    admin: AdminClient, extent: Extent, start: datetime, end: datetime
) -> dict[int, tuple[int, int]]:
    """By partition a range of offsets that holds every record that was sent in [start, end).

    Clocks differ: a record may stand behind one that was sent later, so each range goes on for
    CLOCKS_DIFFER beyond the end.
    """
    parts = [TopicPartition(extent.topic, part) for part in extent.end]

    def first_since(moment: datetime) -> dict[int, int]:
        spec = OffsetSpec.for_timestamp(int(moment.timestamp() * 1000))
        found = list_offsets(admin, parts, spec)
        # Kafka says -1 where nothing was sent since.
        return {part: extent.end[part] if at < 0 else at for part, at in found.items()}

    starts, ends = first_since(start), first_since(end + CLOCKS_DIFFER)
    return {part: (starts[part], ends[part]) for part in starts}


def list_offsets(
    admin: AdminClient,
    parts: list[TopicPartition],
    spec: OffsetSpec,
    seconds: float | None = None,
) -> dict[int, int]:
    """Offsets by partition, not beyond transactions that are still open."""
    asked = admin.list_offsets(
        dict.fromkeys(parts, spec),
        isolation_level=IsolationLevel.READ_COMMITTED,
        request_timeout=REQUEST_SECONDS if seconds is None else seconds,
    )
    found = {part.partition: answer.result().offset for part, answer in asked.items()}
    return dict(sorted(found.items()))


@dataclass(frozen=True)
class Progress:
    """How far a group has read a topic, remembered in the database that holds the records."""

    database: "Database[Document]"
    group: str
    topic: str

    def recall(self, extent: Extent) -> dict[int, int]:
        """The offset to read next in every partition that the topic has.

        Raises BadInput if records are gone that were not read, or the topic is another one.
        """
        prefix = self.name(None)
        found = self.database["offsets"].find({"_id": {"$gte": prefix, "$lt": f"{prefix}~"}})
        known = {int(item["_id"].removeprefix(prefix)): item for item in found}
        return {
            part: self.start_at(extent, part, known[part]) if part in known else first
            for part, first in extent.first.items()
        }

    def is_at_end(self, extent: Extent) -> bool:
        """Has the group read everything that the topic holds? Raises as `recall` does."""
        return self.recall(extent) == dict(extent.end)

    def start_at(self, extent: Extent, partition: int, known: Document) -> int:
        start = int(known["next_offset"])
        first, end = extent.first[partition], extent.end[partition]
        what = f"{self.group} has read {self.topic}[{partition}] up to offset {start}, but"
        go_on = (
            "To go on with what is there, remove the documents whose _id begins with"
            f" {self.name(None)!r} from the collection {self.database.name}.offsets: everything"
            " that the topic holds is then read again, which changes nothing that is stored."
        )
        if known.get("topic_id", extent.topic_id) != extent.topic_id or start > end:
            raise BadInput(f"{what} the topic was made anew since and ends at {end}. {go_on}")
        if start < first:
            raise BadInput(
                f"{what} retention has removed everything before {first}: {first - start} offsets"
                f" were lost before they were read. Send those records again if you have them."
                f" {go_on}"
            )
        return start

    def remember(self, extent: Extent, offsets: Offsets) -> None:
        """Note the next offsets, durably; none ever goes back."""
        from bson.int64 import Int64
        from pymongo import UpdateOne

        self.database["offsets"].bulk_write(
            [
                UpdateOne(
                    {"_id": self.name(partition)},
                    {
                        "$max": {"next_offset": Int64(offset)},
                        "$set": {"topic_id": extent.topic_id},
                    },
                    upsert=True,
                )
                for partition, offset in offsets.items()
            ],
            ordered=False,
        )

    def name(self, partition: int | None) -> str:
        return f"{self.group}/{self.topic}/{'' if partition is None else partition}"


class GroupOffsets:
    """Tells Kafka too how far a group is, for those who watch its lag.

    MongoDB's offsets are the ones that we use.
    """

    def __init__(self, consumer: Consumer, topic: str) -> None:
        self.consumer = consumer
        self.topic = topic
        self.told: dict[int, int] = {}

    def tell(self, offsets: Offsets) -> None:
        """Commit what has changed, without waiting: a rebalance could wait for us in turn."""
        if parts := self.changed(dict(offsets)):
            self.consumer.commit(offsets=parts, asynchronous=True)

    def tell_last(self, offsets: Offsets) -> None:
        """Commit everything and wait; for a consumer that is no member of the group."""
        self.told = {}
        if not (parts := self.changed(offsets)):
            return
        try:
            self.consumer.commit(offsets=parts, asynchronous=False)
        except KafkaException as error:
            if error.args[0].code() not in FOLLOWED:
                raise
            log.info("%s: the group did not take the offsets: %s", self.topic, error.args[0].str())

    def changed(self, offsets: Offsets) -> list[TopicPartition]:
        new = {part: offset for part, offset in offsets.items() if self.told.get(part) != offset}
        self.told |= new
        return [TopicPartition(self.topic, part, offset) for part, offset in new.items()]
