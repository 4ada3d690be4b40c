"""Listeners who are not there: with tastes and sessions, they listen, like, skip and hide.

They hear what they are recommended, else what suits them, so that the page, the live recommender
and the next night have something to work with.
"""

import logging
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Event, Lock, Thread
from time import monotonic

import numpy as np
from numpy.typing import NDArray
from pymongo.errors import PyMongoError

from nocturne.errors import BadInput, NocturneError
from nocturne.live.desk import Desk
from nocturne.recommend.library import find_genre
from nocturne.stream.activity import ActivitySender
from nocturne.stream.messages import UserActivity

log = logging.getLogger(__name__)
# Of what they hear, so much comes from their recommendations.
RECOMMENDED_SHARE = 0.7
SESSION_TRACKS = 12
SESSION_SHARE = 0.3
"""So many of the listeners are in a session at any time."""
LIKE_CHANCE = 0.3  # of a track that suits perfectly
HIDE_CHANCE = 0.08  # of a skipped track that does not suit at all
TASTE_CONCENTRATION = 0.3
SONG_MS = 180_000
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Tracks:
    """`genres` is the number of each track's genre."""

    track_ids: list[str]
    genres: NDArray[np.intp]
    names: list[str]


@dataclass
class SimulatedListener:
    """`taste` are weights of the genres, the favourite's is 1; `left` tracks of a session."""

    user_id: str
    taste: NDArray[np.float64]
    left: int = 0


@dataclass
class Crowd:
    """Simulated listeners over a library; the same seed makes the same ones."""

    tracks: Tracks
    listeners: list[SimulatedListener]
    rng: np.random.Generator
    genre_of: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        genres = self.tracks.genres.tolist()
        self.genre_of = dict(zip(self.tracks.track_ids, genres, strict=True))

    def next_listener(self) -> SimulatedListener:
        """One of those in a session; who ends theirs makes room for another."""
        active = [one for one in self.listeners if one.left]
        wanted = max(1, round(SESSION_SHARE * len(self.listeners)))
        if len(active) < wanted:
            idle = [one for one in self.listeners if not one.left]
            some = self.rng.permutation(len(idle))[: wanted - len(active)]
            for place in some:
                idle[place].left = 1 + int(self.rng.integers(SESSION_TRACKS))
            active += [idle[place] for place in some]
        chosen = active[int(self.rng.integers(len(active)))]
        chosen.left -= 1
        return chosen

    def next_track(self, listener: SimulatedListener, shown: Sequence[str]) -> str:
        if shown and self.rng.random() < RECOMMENDED_SHARE:
            return shown[int(self.rng.integers(len(shown)))]
        pull = listener.taste[self.tracks.genres]
        place = self.rng.choice(len(pull), p=pull / pull.sum())
        return self.tracks.track_ids[int(place)]

    def react(self, listener: SimulatedListener, track_id: str) -> list[tuple[str, int]]:
        """What the listener does with the track, with the milliseconds played."""
        genre = self.genre_of.get(track_id)
        pleasure = 0.5 if genre is None else float(listener.taste[genre])
        stays, outcome = self.rng.random() < 0.2 + 0.75 * pleasure, self.rng.random()
        if not stays:
            action = "hide" if outcome < HIDE_CHANCE * (1 - pleasure) else "skip"
            return [(action, int(self.rng.integers(600, SONG_MS // 2)))]
        liked = [("like", SONG_MS // 2)] if outcome < LIKE_CHANCE * pleasure else []
        return [*liked, ("listen", SONG_MS)]


def gather_crowd(tracks: Tracks, count: int, seed: int) -> Crowd:
    rng = np.random.default_rng(seed)
    concentration = np.full(len(tracks.names), TASTE_CONCENTRATION)
    listeners = []
    for number in range(count):
        taste = rng.dirichlet(concentration) + 1e-6
        listeners.append(SimulatedListener(f"simulated-{number + 1:03}", taste / taste.max()))
    return Crowd(tracks, listeners, rng)


def read_library(desk: Desk) -> Tracks:
    """The live version's tracks with their genres. Raises BadInput if it has none."""
    version = desk.published.live()
    track_ids = list(desk.published.walk(version, ""))
    if not track_ids:
        raise BadInput(f"The live version {version} has no tracks to listen to.")
    names: dict[str, int] = {}
    genre_of: dict[str, int] = {}
    fields = ["metadata.top_genre_title", "metadata.genre_titles"]
    for track in desk.published.catalogue.tracks.find({}, fields):
        genre = find_genre(track["metadata"]) or UNKNOWN
        genre_of[track["_id"]] = names.setdefault(genre, len(names))
    unknown = names.setdefault(UNKNOWN, len(names))
    genres = np.array([genre_of.get(track_id, unknown) for track_id in track_ids])
    return Tracks(track_ids, genres, list(names))


class Simulator:
    """A crowd that can be let in and sent home."""

    def __init__(self, desk: Desk, sender: ActivitySender) -> None:
        self.desk = desk
        self.sender = sender
        self.lock = Lock()
        self.stopped = Event()
        self.thread: Thread | None = None
        self.listeners = 0
        self.rate = 0.0
        self.sent = 0

    @property
    def running(self) -> bool:
        return self.thread is not None and self.thread.is_alive()

    def start(self, listeners: int, rate: float, seed: int = 0) -> None:
        """`rate` is in events a second, of all together; another crowd goes home first."""
        with self.lock:
            self.halt()
            crowd = gather_crowd(read_library(self.desk), listeners, seed)
            self.listeners, self.rate = listeners, rate
            self.stopped = Event()
            self.thread = Thread(target=self.listen, args=(crowd, rate, self.stopped), daemon=True)
            self.thread.start()

    def stop(self) -> None:
        with self.lock:
            self.halt()

    def halt(self) -> None:
        self.stopped.set()
        if self.thread is not None:
            self.thread.join()
            self.thread = None

    def listen(self, crowd: Crowd, rate: float, stopped: Event) -> None:
        """Until stopped; what cannot be sent is not done, and the crowd goes on."""
        begun, done = monotonic(), 0
        while not stopped.wait(max(0.0, begun + done / rate - monotonic())):
            try:
                done += self.play(crowd)
            except (NocturneError, PyMongoError) as error:
                log.warning("Simulated listeners wait: %s", error)
                begun, done = monotonic() + 1, 0

    def play(self, crowd: Crowd) -> int:
        """One listener hears one track; how many events that gave."""
        listener = crowd.next_listener()
        shown = [track.track_id for track in self.desk.show(listener.user_id).tracks]
        track_id = crowd.next_track(listener, shown)
        events = [
            make_event(listener.user_id, track_id, action, ms_played)
            for action, ms_played in crowd.react(listener, track_id)
        ]
        self.sender.send(events)
        self.sent += len(events)
        return len(events)


def make_event(user_id: str, track_id: str, action: str, ms_played: int) -> UserActivity:
    return UserActivity.model_validate(
        {
            "schema": 1,
            "event_id": str(uuid.uuid4()),
            "user_id": user_id,
            "track_id": track_id,
            "action": action,
            "at": datetime.now(UTC),
            "ms_played": ms_played,
        }
    )
