"""What is remembered of a listener: enough to leave out what they know, and to follow their mood.

Noting a deed again, or deeds in another order, makes the same listener, up to MOST_TRACKS of a
kind: then the tracks that were touched longest ago are let go.
"""

from bisect import insort
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from bson.tz_util import utc  # of times from MongoDB: within one zone they are compared at once

from nocturne.recommend.for_you import SKIPS_TO_LEAVE_OUT

Document = dict[str, Any]
UNWANTED = ("skip", "hide")
MOST_TRACKS = 3000
"""Of each kind: heard, skipped, hidden. With the longest ids that is half of what MongoDB takes in
one document, and more than anybody does in the weeks that count."""
SLACK = MOST_TRACKS // 10
"""So many more may pile up before the oldest are looked for: one or all, it takes as long."""
UNDATED = datetime.min.replace(tzinfo=utc)
"""When a track was hidden by a listener who was remembered before times were."""
REMEMBERED_DEEDS = 20
"""So many of the newest decide what comes next; what was heard before is still left out."""


class Deed(NamedTuple):
    """Something that a listener did with a track; deeds sort by time."""

    at: datetime
    track_id: str
    action: str
    event_id: str


@dataclass
class Listener:
    """`deeds` are the newest, in their order; `heard` says when each track was last touched,
    `skipped` the times of its last skips, `hidden` when it was last hidden.
    """

    user_id: str
    deeds: list[Deed] = field(default_factory=list)
    heard: dict[str, datetime] = field(default_factory=dict)
    skipped: dict[str, list[datetime]] = field(default_factory=dict)
    hidden: dict[str, datetime] = field(default_factory=dict)

    def note(self, deed: Deed) -> bool:
        """Remember a deed; did it change anything? One whose event is remembered does not."""
        if any(known.event_id == deed.event_id for known in self.deeds):
            return False
        # Each of them, so no `or`.
        changed = [self.note_newest(deed), self.note_heard(deed), self.note_unwanted(deed)]
        return any(changed)

    def note_newest(self, deed: Deed) -> bool:
        full = len(self.deeds) == REMEMBERED_DEEDS
        if full and deed < self.deeds[0]:
            return False
        insort(self.deeds, deed)
        del self.deeds[:-REMEMBERED_DEEDS]
        return True

    def note_heard(self, deed: Deed) -> bool:
        return note_latest(self.heard, deed)

    def note_unwanted(self, deed: Deed) -> bool:
        if deed.action == "hide":
            return note_latest(self.hidden, deed)
        times = self.skipped.get(deed.track_id, [])
        if deed.action != "skip" or deed.at in times:
            return False
        last = sorted([*times, deed.at])[-SKIPS_TO_LEAVE_OUT:]
        self.skipped[deed.track_id] = last
        drop_oldest(self.skipped)
        return last != times and deed.track_id in self.skipped

    def forget(self, before: datetime) -> None:
        """Let go of what was heard before; what is hidden or was skipped twice stays so."""
        self.heard = {track: at for track, at in self.heard.items() if at >= before}

    def find_left_out(self, now: datetime, recent: timedelta) -> set[str]:
        """The tracks that must not be recommended: as in the nightly lists, those that were heard,
        liked or skipped lately, that are hidden, or that were skipped twice.
        """
        since = (now - recent).astimezone(utc)
        lately = {track for track, at in self.heard.items() if at >= since}
        twice = {track for track, at in self.skipped.items() if len(at) >= SKIPS_TO_LEAVE_OUT}
        return lately | twice | self.hidden.keys()


def note_latest(times: dict[str, datetime], deed: Deed) -> bool:
    """Note when a track was touched last; did that change anything?"""
    before = times.get(deed.track_id)
    if before is not None and before >= deed.at:
        return False
    times[deed.track_id] = deed.at
    drop_oldest(times)
    return deed.track_id in times


def drop_oldest(times: dict[str, Any]) -> None:
    """Keep the MOST_TRACKS that were touched last, if there are many more."""
    if len(times) > MOST_TRACKS + SLACK:
        by_age = sorted(times, key=lambda track: (last_of(times[track]), track))
        for track in by_age[:-MOST_TRACKS]:
            del times[track]


def last_of(touched: datetime | list[datetime]) -> datetime:
    return touched[-1] if isinstance(touched, list) else touched


def listener_of(user_id: str, deeds: Iterable[Deed]) -> Listener:
    """Who `note` would make of them, deed by deed, in a tenth of the time."""
    ordered = sorted({deed.event_id: deed for deed in deeds}.values())
    listener = Listener(user_id, ordered[-REMEMBERED_DEEDS:])
    for deed in ordered:
        listener.heard[deed.track_id] = deed.at
        if deed.action in UNWANTED:
            listener.note_unwanted(deed)
    drop_oldest(listener.heard)
    return listener


def to_document(listener: Listener) -> Document:
    """Ids of tracks stand in arrays: as names of fields MongoDB would not take all of them."""
    return {
        "deeds": [deed._asdict() for deed in listener.deeds],
        "heard": [{"track_id": track, "at": at} for track, at in listener.heard.items()],
        "skipped": [{"track_id": track, "at": at} for track, at in listener.skipped.items()],
        "hidden": [{"track_id": track, "at": at} for track, at in listener.hidden.items()],
    }


def from_document(user_id: str, document: Document) -> Listener:
    return Listener(
        user_id,
        [Deed(**deed) for deed in document["deeds"]],
        {item["track_id"]: item["at"] for item in document["heard"]},
        {item["track_id"]: item["at"] for item in document["skipped"]},
        dict(read_hidden(item) for item in document["hidden"]),
    )


def read_hidden(item: str | Document) -> tuple[str, datetime]:
    """Documents of older versions of Nocturne hold the ids alone."""
    return (item, UNDATED) if isinstance(item, str) else (item["track_id"], item["at"])
