"""What listeners did, on its way through Kafka into MongoDB."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pymongo.database import Database

from nocturne.errors import BadInput
from nocturne.store.collections import ensure_collections
from nocturne.store.records import FIRST
from nocturne.stream.connection import KafkaConfig
from nocturne.stream.ingest import Ingest
from nocturne.stream.messages import UserActivity
from nocturne.stream.produce import CheckedProducer
from nocturne.stream.topics import USER_ACTIVITY, ensure_topics

Document = dict[str, Any]
LISTENS = "listens"
LOOKUP = 2000


def publish_activity(config: KafkaConfig, database: Database[Document], path: Path) -> int:
    """Send the events of a file, one JSON object a line, that are not stored yet; how many.

    Raises BadInput naming the line if one breaks the contract, before anything is sent;
    ServiceUnavailable if one was not acknowledged.
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
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                yield UserActivity.model_validate_json(line)
            except ValidationError as error:
                first = error.errors(include_url=False)[0]
                where = ".".join(map(str, first["loc"]))
                raise BadInput(f"{path}, line {number}: {where} {first['msg']}") from error


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
