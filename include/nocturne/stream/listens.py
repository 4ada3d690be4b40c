"""What listeners did, on its way through Kafka into MongoDB."""

import codecs
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from confluent_kafka import IsolationLevel, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec
from pydantic import ValidationError
from pymongo.database import Database

from nocturne.errors import BadInput
from nocturne.store.collections import ensure_collections
from nocturne.store.records import FIRST
from nocturne.stream.checking import describe_breach
from nocturne.stream.connection import (
    REQUEST_SECONDS,
    KafkaConfig,
    explaining,
    open_admin,
)
from nocturne.stream.ingest import Ingest, IngestReport, Ranges
from nocturne.stream.messages import UserActivity
from nocturne.stream.offsets import Extent, find_window, measure_topic
from nocturne.stream.produce import CheckedProducer
from nocturne.stream.topics import USER_ACTIVITY, ensure_topics

log = logging.getLogger(__name__)
Document = dict[str, Any]
LISTENS = "listens"
LOOKUP = 2000


@dataclass(frozen=True)
class Window:
    """The time from `start` (inclusive) to `end` (exclusive) in which records were sent."""

    start: datetime
    end: datetime


def publish_activity(config: KafkaConfig, database: Database[Document], path: Path) -> int:
    """Send the events of a file, one JSON object a line, that are not stored yet; how many.

    Raises BadInput if the file cannot be read or a line breaks the contract, before anything is
    sent; ServiceUnavailable if one was not acknowledged.
    """
    events = list(read_activity(path))
    ensure_topics(config, (USER_ACTIVITY,))
    with CheckedProducer(config) as producer:
        for start in range(0, len(events), LOOKUP):
            some = events[start : start + LOOKUP]
            stored = find_stored(database, [event.event_id for event in some])
            for event in some:
                if event.event_id not in stored:
                    value = event.model_dump_json(by_alias=True).encode()
                    producer.send(USER_ACTIVITY.name, event.key().encode(), value)
    return producer.delivered


def read_activity(path: Path) -> Iterator[UserActivity]:
    """Raises BadInput naming file, line and field."""
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                plain = line.removeprefix(codecs.BOM_UTF8) if number == 1 else line
                if plain.strip():
                    yield parse_line(path, number, plain)
    except OSError as error:
        raise BadInput(f"The file of events cannot be read: {error}.") from error


def parse_line(path: Path, number: int, line: bytes) -> UserActivity:
    try:
        event = UserActivity.model_validate_json(line)
    except ValidationError as error:
        raise BadInput(f"{path}, line {number}: {describe_breach(error)[1]}") from error
    if why := event.why_too_early(datetime.now(UTC)):
        raise BadInput(f"{path}, line {number}: {why}")
    return event


def find_stored(database: Database[Document], event_ids: list[str]) -> set[str]:
    found = database[LISTENS].find({"_id": {"$in": event_ids}}, {"_id": 1})
    return {event["_id"] for event in found}


def ingest_listens(
    config: KafkaConfig, database: Database[Document], run_id: str, max_refused_share: float
) -> Ingest:
    """How `user_activity` becomes the listens: of one event_id the first record stays."""
    ensure_collections(database)
    return Ingest(
        config=config,
        topic=USER_ACTIVITY,
        contract=UserActivity,
        collection=database[LISTENS],
        rule=FIRST,
        group=f"nocturne-listens-{database.name}",
        run_id=run_id,
        max_refused_share=max_refused_share,
    )


def load_listens(
    config: KafkaConfig,
    database: Database[Document],
    run_id: str,
    max_refused_share: float,
    window: Window | None = None,
) -> Document:
    """Store what was not read yet, then read again what was sent within the window; a summary.

    The second restores what is missing, changes nothing that is stored, and leaves the group's
    offsets alone. Raises what Ingest raises.
    """
    ensure_topics(config, (USER_ACTIVITY,))
    ingest = ingest_listens(config, database, run_id, max_refused_share)
    summary = count_records(ingest.run())
    if window is not None:
        summary["replayed"] = replay_window(ingest, window)
    return summary


def count_records(report: IngestReport) -> Document:
    return {"read": report.read, "changed": report.changed, "dead_letters": report.dead_letters}


def replay_window(ingest: Ingest, window: Window) -> Document:
    """The summary has `kept_since` if retention has removed some of what the window held."""
    ranges, kept_since = locate_window(ingest.config, window)
    replayed: Document = {"start": window.start.isoformat(), "end": window.end.isoformat()}
    if kept_since and window.start < kept_since:
        replayed["kept_since"] = kept_since.isoformat()
        log.warning(
            "The window begins at %s, but %s is whole only since %s: retention has removed what"
            " was sent before", window.start, USER_ACTIVITY.name, kept_since,
        )  # fmt: skip
    return replayed | count_records(ingest.replay(ranges))


def locate_window(config: KafkaConfig, window: Window) -> tuple[Ranges, datetime | None]:
    """The offsets of a window, and since when the topic is whole."""
    admin = open_admin(config)
    with explaining(config, f"looking for a window of {USER_ACTIVITY.name}"):
        extent = measure_topic(admin, USER_ACTIVITY.name)
        ranges = find_window(admin, extent, window.start, window.end)
        return ranges, find_kept_since(admin, extent)


def find_kept_since(admin: AdminClient, extent: Extent) -> datetime | None:
    """When the oldest records that are left were sent, in the partition where that is latest;
    None if retention has never removed any.
    """
    cut = [TopicPartition(extent.topic, part) for part, first in extent.first.items() if first]
    if not cut:
        return None
    asked = admin.list_offsets(
        dict.fromkeys(cut, OffsetSpec.for_timestamp(0)),
        isolation_level=IsolationLevel.READ_COMMITTED,
        request_timeout=REQUEST_SECONDS,
    )
    oldest = [answer.result().timestamp for answer in asked.values()]
    if -1 in oldest:  # a partition of which nothing is left
        return datetime.now(UTC)
    return datetime.fromtimestamp(max(oldest) / 1000, UTC)
