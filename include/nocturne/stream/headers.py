"""The headers of a message: those of strangers, which may be anything, and ours."""

from operator import methodcaller
from typing import Any

from confluent_kafka import Message

Header = tuple[str, bytes | None]
SENT_FIRST = "nocturne-sent-at"
"""Of what is sent again: when it was sent first, in milliseconds since 1970. The broker gives every
message the time when it came, so that retention keeps it; its place among the records of its id is
that of the first time."""
DIGITS = 14
"""Of milliseconds up to the year 5138."""
UNREADABLE = "nocturne-unreadable-headers"
"""Stands in a dead letter for headers whose names are no UTF-8: Kafka's clients give none then."""

# Where a name cannot be decoded, the client gives a list with a hole, at which Python dies, and
# leaves the error behind. A call from C sees that; one from Python does not once it is optimised.
ASK_HEADERS = methodcaller("headers")


def headers_of(message: Message) -> list[Header]:
    """All of them, in their order; one in their place if they cannot be read."""
    try:
        headers: Any = ASK_HEADERS(message)
    except (UnicodeDecodeError, SystemError) as error:  # which of them depends on the client
        why = error.__cause__ or error
        headers = [(UNREADABLE, str(why).encode(errors="backslashreplace"))]
        # Asked a second time, the client would give the list without an error.
        message.set_headers(headers)
    return headers or []


def sent_first_ms(message: Message) -> int | None:
    """When a message was sent first, if it says so; what is no plausible number says nothing."""
    for name, value in headers_of(message):
        if name == SENT_FIRST and value is not None and value.isdigit() and len(value) <= DIGITS:
            return int(value)
    return None


def say_sent_first(headers: list[Header], milliseconds: int) -> list[Header]:
    """The headers, and when their message was sent first, unless they say that already."""
    if any(name == SENT_FIRST for name, _ in headers):
        return headers
    return [*headers, (SENT_FIRST, b"%d" % max(milliseconds, 0))]
