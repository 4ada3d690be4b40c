"""The tracks to show a listener now: the night's list, moved by what they have done since."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from nocturne.live.listener import Deed
from nocturne.recommend.for_you import SCORE_DECIMALS

# A like moves a list at once: the nearest of a liked track pass the best of the night's list.
WEIGHTS = {"like": 1.5, "listen": 0.6, "skip": -0.6, "hide": -1.0}
SPOKEN = {"like": "because you liked", "listen": "because you played"}
# Of each deed that is newer, the weight of an older one is so much less.
DECAY = 0.85


class Near(NamedTuple):
    """A published track: how near it is to another one, or how it ranks for a listener."""

    track_id: str
    score: float
    reason: str
    because: str | None


class Names(NamedTuple):
    title: str
    artist: str


@dataclass(frozen=True)
class Chosen:
    """A recommended track; `because` is the one that speaks most for it, if one does."""

    track_id: str
    title: str
    artist: str
    score: float
    reason: str
    because: str | None


class Voice(NamedTuple):
    """What speaks for a track, or against it."""

    weight: float
    reason: str
    because: str | None


def choose_tracks(
    listed: Sequence[Near],
    deeds: Sequence[Deed],
    nearest: Mapping[str, Sequence[Near]],
    left_out: set[str],
    names: Mapping[str, Names],
    count: int,
) -> list[Chosen]:
    """`count` tracks that are not left out, or fewer; the best first, ties by track id.

    A track of the night's list (`listed`, the best first) counts from 1 downwards, evenly. To
    that come the published neighbours (`nearest`, the nearest first) of what the listener has
    done (`deeds`, the newest last): they count so too, times the deed's weight. Of one artist
    there is one track, unless the list would be short. `names` knows every track of `listed`,
    `deeds` and `nearest`.
    """
    voices = collect_voices(listed, deeds, nearest, names)
    scores = {
        track_id: round(sum(voice.weight for voice in said), SCORE_DECIMALS)
        for track_id, said in voices.items()
        if track_id not in left_out
    }
    ranked = sorted(scores, key=lambda track_id: (-scores[track_id], track_id))
    chosen = spread_artists(ranked, names, count)
    causes = {track_id: max(voices[track_id]) for track_id in chosen}
    return [
        Chosen(
            track_id, *names[track_id], scores[track_id], causes[track_id].reason,
            causes[track_id].because,
        )
        for track_id in chosen
    ]  # fmt: skip


def collect_voices(
    listed: Sequence[Near],
    deeds: Sequence[Deed],
    nearest: Mapping[str, Sequence[Near]],
    names: Mapping[str, Names],
) -> dict[str, list[Voice]]:
    voices: dict[str, list[Voice]] = defaultdict(list)
    for near, share in rank(listed):
        voices[near.track_id].append(Voice(share, near.reason, near.because))
    for age, deed in enumerate(reversed(deeds)):
        weight = WEIGHTS[deed.action] * DECAY**age
        spoken = f"{SPOKEN.get(deed.action, 'despite')} {names[deed.track_id].title}"
        for near, share in rank(nearest.get(deed.track_id, ())):
            voice = Voice(weight * share, f"{spoken}: {near.reason}", deed.track_id)
            voices[near.track_id].append(voice)
    return voices


def rank(found: Sequence[Near]) -> Iterator[tuple[Near, float]]:
    """Each with its share: 1 for the first, evenly less for the others. Cosines would not do:
    how large they are depends on the space.
    """
    for place, near in enumerate(found):
        yield near, 1 - place / len(found)


def spread_artists(ranked: Sequence[str], names: Mapping[str, Names], count: int) -> list[str]:
    """The first of each artist, then, if they are too few, the others, all in their order."""
    seen: set[str] = set()
    first = []
    for track_id in ranked:
        if names[track_id].artist not in seen:
            seen.add(names[track_id].artist)
            first.append(track_id)
            if len(first) == count:
                return first
    more = [track_id for track_id in ranked if track_id not in set(first)]
    return first + more[: count - len(first)]
