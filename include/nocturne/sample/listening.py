"""Forty listeners with planted tastes, and what they did in the two weeks to the last day."""

import json
import uuid
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nocturne.sample.catalogue import SampleTrack
from nocturne.sample.composition import (
    ARTISTS_PER_GENRE,
    LISTENER_STREAM,
    SONG_SECONDS,
    random_stream,
)
from nocturne.sample.genres import GENRES
from nocturne.sample.metadata import write_table
from nocturne.sample.names import LISTENERS

Floats = npt.NDArray[np.float64]
Event = dict[str, object]

LISTENING_DAYS = 14
SESSIONS_A_DAY = 1.2  # on average; days without music happen
LONGEST_SESSION = 16  # tracks; less than half an hour, so that a session ends on its day
FAVOURITE_LOGITS = (3.0, 1.8)  # of the first and second genre: some 60 % and 20 % of the taste
DISCOVERY_SHARE = 0.15  # plays taken from the whole library, off taste as often as not
LIKE_CHANCE = 0.15  # of a track that suits perfectly
HIDE_CHANCE = 0.06  # of a skipped track that does not suit at all
SONG_MS = round(1000 * SONG_SECONDS)
# Ids are names in this namespace: the same event has the same id in every build.
EVENT_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://nocturne.example/sample/events")


@dataclass(frozen=True)
class Listener:
    """`taste` are the weights of the genres, which sum to 1; `artist_preference` is about 1."""

    index: int
    user_id: str
    name: str
    taste: Floats
    artist_preference: Floats
    habitual_hour: float


def write_listening(folder: Path, tracks: Sequence[SampleTrack], last_day: date) -> None:
    """Write listeners.csv (planted tastes, a column a genre) and user_activity.jsonl."""
    folder.mkdir(parents=True)
    listeners = [draw_listener(index) for index in range(len(LISTENERS))]
    columns = ["user_id", "name", *(genre.name for genre in GENRES)]
    write_table(folder / "listeners.csv", columns, map(_listener_row, listeners))
    events = [event for who in listeners for event in _listen(who, tracks, last_day)]
    events.sort(key=lambda event: (event["at"], event["event_id"]))
    lines = (json.dumps(event, ensure_ascii=False) for event in events)
    (folder / "user_activity.jsonl").write_text("".join(f"{line}\n" for line in lines), "utf-8")


def draw_listener(index: int) -> Listener:
    """A listener with one favourite genre, taken by turns, and a second one."""
    rng = random_stream(LISTENER_STREAM, index)
    logits = rng.uniform(0.0, 0.8, len(GENRES))
    favourite = index % len(GENRES)
    second = (favourite + int(rng.integers(1, len(GENRES)))) % len(GENRES)
    logits[[favourite, second]] += FAVOURITE_LOGITS
    weights = np.exp(logits)
    return Listener(
        index=index,
        user_id=f"listener-{index + 1:02}",
        name=LISTENERS[index],
        taste=weights / weights.sum(),
        artist_preference=rng.gamma(3.0, 1 / 3, len(GENRES) * ARTISTS_PER_GENRE),
        habitual_hour=rng.uniform(7.0, 21.0),
    )


def _listener_row(listener: Listener) -> dict[str, object]:
    weights = {
        genre.name: f"{weight:.4f}" for genre, weight in zip(GENRES, listener.taste, strict=True)
    }
    return {"user_id": listener.user_id, "name": listener.name, **weights}


def _listen(listener: Listener, tracks: Sequence[SampleTrack], last_day: date) -> Iterator[Event]:
    """Everything one listener did; a hidden track is never played to them again."""
    rng = random_stream(LISTENER_STREAM, listener.index, 1)
    library = sorted(tracks, key=lambda track: track.created)
    created = [track.created for track in library]
    hidden: set[int] = set()
    for start in _draw_sessions(listener, last_day, rng):
        there = library[: bisect_right(created, start)]
        there = [track for track in there if track.track_id not in hidden]
        for event in _play_session(listener, there, start, rng) if there else ():
            if event["action"] == "hide":
                hidden.add(int(str(event["track_id"])))
            yield event


def _draw_sessions(
    listener: Listener, last_day: date, rng: np.random.Generator
) -> Iterator[datetime]:
    """When sessions start, in order: around the habitual hour, at least an hour apart."""
    for days_before in range(LISTENING_DAYS - 1, -1, -1):
        midnight = datetime.combine(last_day - timedelta(days=days_before), time(), UTC)
        sessions = min(int(rng.poisson(SESSIONS_A_DAY)), 3)
        hours = listener.habitual_hour + rng.uniform(-1.5, 1.5) + np.arange(sessions) * 1.1
        yield from (midnight + timedelta(hours=float(hour)) for hour in hours if hour < 23)


def _play_session(
    listener: Listener, there: Sequence[SampleTrack], start: datetime, rng: np.random.Generator
) -> Iterator[Event]:
    """Play different tracks one after the other, a pause of up to 4 s between them."""
    now = start
    length = min(int(rng.integers(3, LONGEST_SESSION + 1)), len(there))
    for track in _draw_playlist(listener, there, length, rng):
        events = list(_react(listener, track, now, rng))
        yield from events
        now += timedelta(milliseconds=_played_ms(events[-1]) + int(rng.integers(300, 4000)))


def _draw_playlist(
    listener: Listener, there: Sequence[SampleTrack], length: int, rng: np.random.Generator
) -> list[SampleTrack]:
    """Tracks by taste, artist and, less, by fame; a few by chance, for discovery."""
    pull = np.array([suit(listener, track) * np.sqrt(track.fame) for track in there])
    chances = (1 - DISCOVERY_SHARE) * pull / pull.sum() + DISCOVERY_SHARE / len(there)
    picks = rng.choice(len(there), length, replace=False, p=chances)
    return [there[int(pick)] for pick in picks]


def suit(listener: Listener, track: SampleTrack) -> float:
    """How well a track suits: the weight of its genre times the liking of its artist."""
    return float(listener.taste[track.genre] * listener.artist_preference[track.artist])


def _react(
    listener: Listener, track: SampleTrack, now: datetime, rng: np.random.Generator
) -> Iterator[Event]:
    """A listen, perhaps with a like on the way; or a skip or a hide, which cut it short."""
    pleasure = min(1.0, suit(listener, track) / listener.taste.max())
    stays, outcome = rng.random() < 0.25 + 0.7 * pleasure, rng.random()
    if not stays:
        action = "hide" if outcome < HIDE_CHANCE * (1 - pleasure) else "skip"
        yield _event(listener, track, action, now, int(rng.integers(600, SONG_MS // 2)))
        return
    if outcome < LIKE_CHANCE * pleasure:
        yield _event(listener, track, "like", now, int(rng.integers(3000, SONG_MS)))
    yield _event(listener, track, "listen", now, SONG_MS)


def _event(
    listener: Listener, track: SampleTrack, action: str, started: datetime, ms_played: int
) -> Event:
    """One message of user_activity; `at` is when the action came, `ms_played` into the track."""
    at = started + timedelta(milliseconds=ms_played)
    stamp = at.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
    name = f"{listener.user_id}/{track.track_id}/{action}/{stamp}"
    return {
        "schema": 1,
        "event_id": str(uuid.uuid5(EVENT_NAMESPACE, name)),
        "user_id": listener.user_id,
        "track_id": str(track.track_id),
        "action": action,
        "at": stamp,
        "ms_played": ms_played,
    }


def _played_ms(event: Event) -> int:
    return int(str(event["ms_played"]))
