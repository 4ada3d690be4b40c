"""What a message must be before it may become a document."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from confluent_kafka import Message
from pydantic import ValidationError

from nocturne.errors import NocturneError
from nocturne.stream.dead_letters import Poison
from nocturne.stream.headers import sent_first_ms
from nocturne.stream.messages import Record
from nocturne.stream.reading import Batch, position_of
from nocturne.stream.topics import Topic

Document = dict[str, Any]


@dataclass
class Checked:
    """A batch as documents, and the messages that broke a rule."""

    read: int
    offsets: dict[int, int]
    messages: list[Message] = field(repr=False)
    documents: list[Document] = field(default_factory=list)
    poison: list[Poison] = field(default_factory=list)

    def blame(self, document: Document, why: str) -> Poison:
        """The message of a document that MongoDB does not take."""
        source = document["source"]
        for message in self.messages:
            if position_of(message) == (source["partition"], source["offset"]):
                return Poison(message, "refused_by_mongodb", why)
        raise NocturneError(f"No message gave the document of {source}.")


def check_batch(topic: Topic, contract: type[Record], batch: Batch) -> Checked:
    checked = Checked(len(batch.messages), batch.offsets, batch.messages)
    for message in batch.messages:
        found = check_message(topic, contract, message)
        if isinstance(found, Poison):
            checked.poison.append(found)
        else:
            checked.documents.append(found)
    return checked


def check_message(topic: Topic, contract: type[Record], message: Message) -> Document | Poison:
    """The document of a message, or the rule that it breaks."""
    value = message.value() or b""
    if len(value) > topic.largest_message_bytes:
        most = topic.largest_message_bytes
        return Poison(message, "too_large", f"{len(value)} bytes, {topic.name} allows {most}")
    try:
        record = contract.model_validate_json(value)
    except ValidationError as error:
        return Poison(message, *describe_breach(error))
    key = message.key()
    if not record.has_key(key):
        return Poison(message, "key", f"key {key!r}, body {record.key()!r}")
    sent_at = when_sent(message)
    if sent_at is None:
        return Poison(message, "timestamp", f"sent at {message.timestamp()[1]} ms, in no year")
    if why := record.why_too_early(sent_at):
        return Poison(message, "future", why)
    partition, offset = position_of(message)
    document = record.to_document()
    # When and where the record was sent: the order of these fields orders the records of an id.
    document["source"] = {
        **record.precedence(),
        "sent_at": sent_at,
        "partition": partition,
        "offset": offset,
        "topic": topic.name,
    }
    return document


def when_sent(message: Message) -> datetime | None:
    """The broker's time, or, of a dead letter that was fed back, that of its first sending; None
    in topics of before brokers gave the time, if the sender's is in no year.
    """
    first, last = sent_first_ms(message), message.timestamp()[1]
    try:
        return datetime.fromtimestamp((last if first is None else min(first, last)) / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def describe_breach(error: ValidationError) -> tuple[str, str]:
    """The rule that was broken first, and how."""
    first = error.errors(include_url=False, include_context=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    rule = "not_json" if first["type"] == "json_invalid" else "contract"
    if where == "schema":
        rule = "schema"
    return rule, f"{where}: {first['msg']}".removeprefix(": ")
