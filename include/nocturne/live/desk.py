"""What a listener is shown now: memory and published tables, brought together."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import chain, islice
from typing import Any

from pymongo.database import Database

from nocturne.live.choice import Chosen, Ranked, rank_tracks, spread_artists, word_reason
from nocturne.live.listener import Listener
from nocturne.live.memory import Memory, Shown
from nocturne.live.published import Published
from nocturne.recommend.anybody import ANYBODY
from nocturne.settings import Settings

Document = dict[str, Any]
SHOWN = 3
LOOK_AHEAD = 4
UNHEARD = "you have not heard it lately"


class Desk:
    """Lists for listeners, from the live version; safe for several threads."""

    def __init__(self, published: Published, memory: Memory, recent: timedelta) -> None:
        self.published = published
        self.memory = memory
        self.recent = recent

    def forget(self, listener: Listener) -> None:
        """What does not matter any more."""
        listener.forget(datetime.now(UTC) - self.memory.reach)

    def show(self, user_id: str) -> Shown:
        """What the listener is shown now, made from the live version."""
        return self.show_all([user_id])[user_id]

    def show_all(self, user_ids: list[str]) -> dict[str, Shown]:
        """What each of them is shown now, by a few queries for all."""
        remembered = self.memory.recall(user_ids)
        version = self.published.live()
        shown = {
            user_id: one.shown
            for user_id, one in remembered.items()
            if one.shown is not None and one.shown.version == version
        }
        rest = remembered.keys() - shown.keys()
        self.published.read_ahead(version, rest)
        renewed = {
            user_id: self.renew(remembered[user_id].listener, remembered[user_id].seq)
            for user_id in rest
        }
        return shown | renewed

    def list_more(self, user_id: str, count: int) -> Shown:
        """As `show`, with another number of tracks."""
        remembered = self.memory.recall([user_id])[user_id]
        return self.renew(remembered.listener, remembered.seq, count)

    def renew(self, listener: Listener, seq: int, count: int = SHOWN) -> Shown:
        """A list made anew."""
        now = datetime.now(UTC)
        version = self.published.live()
        return Shown(
            listener.user_id, seq, version, now, self.choose(listener, version, now, count)
        )

    def choose(self, listener: Listener, version: str, now: datetime, count: int) -> list[Chosen]:
        """`count` tracks, or all that may be shown if they are fewer."""
        listed = self.published.find_listed(version, listener.user_id)
        # What was done before is in the night's list already.
        since = self.published.find_as_of(version)
        deeds = [deed for deed in listener.deeds if deed.at >= since]
        nearest = self.published.find_nearest(version, (deed.track_id for deed in deeds))
        left_out = listener.find_left_out(now, self.recent)
        copies = self.published.find_copies(version)
        left_out |= {copies[track_id] for track_id in left_out & copies.keys()}
        ranked = rank_tracks(listed, deeds, nearest, left_out)
        chosen = self.name(version, self.spread(version, ranked, count))
        left_out.update(one.track_id for one in chosen)
        return chosen + list(self.fill_up(listener, version, left_out, count - len(chosen)))

    def spread(self, version: str, ranked: list[Ranked], count: int) -> list[Ranked]:
        """One track of an artist, as long as there are others; names are looked up for no more
        tracks than that takes.
        """
        looked_at = LOOK_AHEAD * count
        while True:
            some = ranked[:looked_at]
            names = self.published.find_names(version, (one.track_id for one in some))
            artists = {names[one.track_id].artist for one in some}
            if len(artists) >= count or looked_at >= len(ranked):
                return spread_artists(some, names, count)
            looked_at *= LOOK_AHEAD

    def name(self, version: str, chosen: list[Ranked]) -> list[Chosen]:
        causes = (one.voice.because for one in chosen if one.voice.because)
        wanted = chain((one.track_id for one in chosen), causes)
        names = self.published.find_names(version, wanted)
        return [
            Chosen(
                one.track_id, *names[one.track_id], one.score, word_reason(one.voice, names),
                one.voice.because or None,
            )
            for one in chosen
        ]  # fmt: skip

    def fill_up(
        self, listener: Listener, version: str, left_out: set[str], count: int
    ) -> Iterator[Chosen]:
        """From what is popular, then from the whole version."""
        if not count:
            return
        popular = (near.track_id for near in self.published.find_listed(version, ANYBODY))
        every = chain(popular, self.published.walk(version, listener.user_id))
        unheard = dict.fromkeys(islice((one for one in every if one not in left_out), 2 * count))
        some = list(unheard)[:count]
        names = self.published.find_names(version, some)
        for track_id in some:
            yield Chosen(track_id, *names[track_id], 0.0, UNHEARD, None)


def open_desk(database: Database[Document], settings: Settings) -> Desk:
    recent = timedelta(days=settings.recent_days)
    published = Published(database, settings.tracks_collection)
    return Desk(published, Memory(database, recent), recent)
