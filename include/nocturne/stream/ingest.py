"""Bounded ingest: from the offsets that MongoDB remembers to the end that the topic had.

Records are applied first and offsets advance afterwards, so a crash at any point repeats work
that the idempotent upserts absorb.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from bson.int64 import Int64
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition
from pydantic import ValidationError
from pymongo.database import Database

from nocturne.errors import BadInput, NocturneError, ServiceUnavailable
from nocturne.refusals import require_few
from nocturne.stream.connection import KafkaConfig, brokers, open_consumer
from nocturne.stream.messages import TrackFeatures
from nocturne.stream.produce import CheckedProducer
from nocturne.stream.topics import Topic

log = logging.getLogger(__name__)

Document = dict[str, Any]
BATCH = 2000
POLL_SECONDS = 1.0
STALL_SECONDS = 60
METADATA_SECONDS = 20
# What was wrong fits into this much of a header, whatever the message holds.
ERROR_CHARACTERS = 1000


@dataclass
class IngestReport:
    """What an ingest did; `offsets` are the next ones by partition."""

    read: int = 0
    changed: int = 0
    dead_letters: int = 0
    offsets: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Poison:
    """A message that broke a rule."""

    message: Message
    rule: str
    error: str


@dataclass(frozen=True)
class Ingest:
    """How one topic becomes documents of one database.

    `apply` writes a batch of documents durably and says how many changed something.
    """

    topic: Topic
    contract: type[TrackFeatures]
    apply: Callable[[list[Document]], int]
    group: str
    run_id: str
    max_refused_share: float

    def run(self, config: KafkaConfig, database: Database[Document]) -> IngestReport:
        """Read everything up to the topic's present end.

        Raises ServiceUnavailable if the brokers stop answering, BadInput if offsets were lost
        to retention, TooManyRefusals if too many messages broke the contract (those are in the
        dead-letter topic then, and the good ones are applied).
        """
        consumer = open_consumer(config, self.group)
        try:
            ranges = plan_ranges(consumer, self.topic.name, self.group, database)
            report = IngestReport(offsets={part: start for part, (start, _) in ranges.items()})
            with CheckedProducer(config) as dead_letters:
                for batch in read_batches(consumer, self.topic.name, ranges):
                    self.apply_batch(batch, report, dead_letters)
                    dead_letters.flush()
                    remember_offsets(database, self.group, self.topic.name, report.offsets)
                    commit_offsets(consumer, self.topic.name, report.offsets)
        except KafkaException as error:
            raise ServiceUnavailable(
                f"Kafka at {brokers(config)} failed while reading"
                f" {self.topic.name}: {error.args[0].str()}"
            ) from error
        finally:
            consumer.close()
        require_few(
            report.dead_letters, report.read, self.max_refused_share, f"{self.topic.name} messages"
        )
        return report

    def apply_batch(
        self, batch: list[Message], report: IngestReport, dead_letters: CheckedProducer
    ) -> None:
        checked = [self.check(message) for message in batch]
        poison = [item for item in checked if isinstance(item, Poison)]
        for item in poison:
            self.bury(item, dead_letters)
        report.changed += self.apply([item for item in checked if isinstance(item, dict)])
        report.read += len(batch)
        report.dead_letters += len(poison)
        for message in batch:
            partition, offset = position_of(message)
            report.offsets[partition] = offset + 1

    def check(self, message: Message) -> Document | Poison:
        """The document of a message, or the rule that it breaks."""
        try:
            record = self.contract.model_validate_json(message.value() or b"")
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            rule = "not_json" if first["type"] == "json_invalid" else "contract"
            return Poison(message, rule, f"{where}: {first['msg']}".lstrip(": "))
        source = {
            "topic": message.topic(),
            "partition": message.partition(),
            "offset": message.offset(),
        }
        sent_at = datetime.fromtimestamp(message.timestamp()[1] / 1000, UTC)
        document = record.to_document(sent_at, source)
        if message.key() != document["_id"].encode():
            return Poison(message, "key", f"key {message.key()!r}, body {document['_id']!r}")
        return document

    def bury(self, poison: Poison, dead_letters: CheckedProducer) -> None:
        message = poison.message
        error = poison.error[:ERROR_CHARACTERS]
        log.warning("%s: dead letter, %s: %s", self.topic.name, poison.rule, error)
        headers = {
            "topic": message.topic(),
            "partition": message.partition(),
            "offset": message.offset(),
            "rule": poison.rule,
            "error": error,
            "run_id": self.run_id,
        }
        dead_letters.send(
            self.topic.dead_letter,
            message.key(),
            message.value(),
            [(name, str(value).encode()) for name, value in headers.items()],
        )


def plan_ranges(
    consumer: Consumer, topic: str, group: str, database: Database[Document]
) -> dict[int, tuple[int, int]]:
    """For each partition the offset to start at and the one to stop before.

    Raises NocturneError if the topic is missing, BadInput if retention has removed what was not
    yet read.
    """
    described = consumer.list_topics(topic, timeout=METADATA_SECONDS).topics[topic]
    if described.error is not None:
        raise NocturneError(
            f"Kafka topic {topic} cannot be read: {described.error.str()}. Publishing creates it."
        )
    known = recall_offsets(database, group, topic)
    ranges = {}
    for partition in sorted(described.partitions):
        first, end = consumer.get_watermark_offsets(
            TopicPartition(topic, partition), timeout=METADATA_SECONDS
        )
        start = known.get(partition, first)
        if start < first or start > end:
            raise BadInput(
                f"{topic}[{partition}] holds offsets {first} to {end}, but {group} stopped at"
                f" {start}: what lay between is gone, or the topic was made anew. Publish again,"
                f" then remove {offset_id(group, topic, partition)!r} from the collection offsets."
            )
        ranges[partition] = (start, end)
    return ranges


def read_batches(
    consumer: Consumer, topic: str, ranges: dict[int, tuple[int, int]]
) -> Iterator[list[Message]]:
    """Batches of messages from the ranges, each partition in order, nothing beyond.

    Raises ServiceUnavailable if nothing arrives for STALL_SECONDS.
    """
    left = {part: end for part, (start, end) in ranges.items() if start < end}
    consumer.assign([TopicPartition(topic, part, ranges[part][0]) for part in left])
    quiet_seconds = 0.0
    while left:
        batch = [
            message
            for message in consumer.consume(BATCH, POLL_SECONDS)
            if message.partition() in left and is_record(message)
        ]
        quiet_seconds = 0.0 if batch else quiet_seconds + POLL_SECONDS
        if quiet_seconds > STALL_SECONDS:
            raise ServiceUnavailable(f"Kafka gave nothing of {topic} for {STALL_SECONDS} s.")
        wanted = [message for message in batch if is_before(message, ranges)]
        if wanted:
            yield wanted
        for position in consumer.position([TopicPartition(topic, part) for part in left]):
            if position.offset >= ranges[position.partition][1]:
                del left[position.partition]


def is_before(message: Message, ranges: dict[int, tuple[int, int]]) -> bool:
    partition, offset = position_of(message)
    return offset < ranges[partition][1]


def is_record(message: Message) -> bool:
    error = message.error()
    if error is None:
        return True
    if error.fatal() or not error.retriable():
        raise KafkaException(error)
    log.warning("Kafka: %s; trying again", error.str())
    return False


def position_of(message: Message) -> tuple[int, int]:
    """Partition and offset, which every message that was read has."""
    partition, offset = message.partition(), message.offset()
    if partition is None or offset is None:
        raise NocturneError("Kafka gave a message without partition or offset.")
    return partition, offset


def offset_id(group: str, topic: str, partition: int) -> str:
    return f"{group}/{topic}/{partition}"


def recall_offsets(database: Database[Document], group: str, topic: str) -> dict[int, int]:
    prefix = f"{group}/{topic}/"
    found = database["offsets"].find({"_id": {"$gte": prefix, "$lt": f"{prefix}~"}})
    return {int(item["_id"].removeprefix(prefix)): item["next_offset"] for item in found}


def remember_offsets(
    database: Database[Document], group: str, topic: str, offsets: dict[int, int]
) -> None:
    for partition, next_offset in offsets.items():
        database["offsets"].update_one(
            {"_id": offset_id(group, topic, partition)},
            {"$max": {"next_offset": Int64(next_offset)}},
            upsert=True,
        )


def commit_offsets(consumer: Consumer, topic: str, offsets: dict[int, int]) -> None:
    """Tell Kafka too, for those who watch a group's lag; MongoDB's offsets are the ones we use."""
    consumer.commit(
        offsets=[TopicPartition(topic, part, offset) for part, offset in offsets.items()],
        asynchronous=False,
    )
