"""What a listener is shown now: memory and published tables, brought together."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import chain, islice

from nocturne.live.choice import Chosen, choose_tracks
from nocturne.live.listener import Listener
from nocturne.live.memory import Memory, Shown
from nocturne.live.published import Published
from nocturne.recommend.for_you import ANYBODY

SHOWN = 3
UNHEARD = "you have not heard it lately"


class Desk:
    """Lists for listeners, from the live version; safe for several threads."""

    def __init__(self, published: Published, memory: Memory, recent: timedelta) -> None:
        self.published = published
        self.memory = memory
        self.recent = recent

    def show(self, user_id: str) -> Shown:
        """What the listener is shown now, made from the live version."""
        remembered = self.memory.recall([user_id])[user_id]
        last = remembered.shown
        if last is not None and last.version == self.published.live():
            return last
        return self.renew(remembered.listener, remembered.seq, SHOWN)

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
        done = [deed.track_id for deed in listener.deeds]
        nearest = self.published.find_nearest(version, done)
        near = chain(listed, *nearest.values())
        named = chain((item.track_id for item in near), done)
        names = self.published.find_names(version, named)
        left_out = listener.find_left_out(now, self.recent)
        chosen = choose_tracks(listed, listener.deeds, nearest, left_out, names, count)
        left_out.update(one.track_id for one in chosen)
        return chosen + list(self.fill_up(listener, version, left_out, count - len(chosen)))

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
