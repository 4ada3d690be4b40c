"""What the fault bench sends: events, some of them twice, and poison of every kind."""

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

POISON_SHARE = 0.01
REPEATED_SHARE = 0.02
LISTENERS = 997
BEGIN = datetime(2026, 11, 20, tzinfo=UTC)


@dataclass(frozen=True)
class Sent:
    """A message, and what must become of it: the document of an event, or a dead letter."""

    key: bytes
    value: bytes
    event_id: str | None


def make_messages(count: int, seed: int) -> Iterator[Sent]:
    rng = random.Random(seed)  # noqa: S311
    poison = list(POISON)
    for number in range(count):
        chance = rng.random()
        if chance < POISON_SHARE:
            yield poison[rng.randrange(len(poison))](number)
        elif chance < POISON_SHARE + REPEATED_SHARE and number:
            yield make_event(rng.randrange(number))
        else:
            yield make_event(number)


def make_event(number: int, **changes: Any) -> Sent:
    event = {
        "schema": 1,
        "event_id": f"event-{number:08}",
        "user_id": f"listener-{number % LISTENERS:03}",
        "track_id": str(900_001 + number % 66),
        "action": ("listen", "like", "skip", "hide")[number % 4],
        "at": (BEGIN + timedelta(milliseconds=number)).isoformat(),
        "ms_played": number % 30_000,
    }
    value = json.dumps(event | changes).encode()
    return Sent(str(event["user_id"]).encode(), value, None if changes else str(event["event_id"]))


def make_junk(number: int) -> Sent:
    return Sent(b"listener-junk", b"\x00\xffnot JSON, message %d" % number, None)


def make_stranger(number: int) -> Sent:
    return Sent(b"listener-another", make_event(number).value, None)


POISON: tuple[Callable[[int], Sent], ...] = (
    make_junk,
    make_stranger,
    lambda number: make_event(number, schema=2),
    lambda number: make_event(number, ms_played=float("nan")),
    lambda number: make_event(number, ms_played="long"),
    lambda number: make_event(number, action="dance"),
    lambda number: make_event(number, event_id="x" * 300),
    lambda number: make_event(number, mood="y" * 5000),
)
