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
    """What speaks for a track, or against it; `because` and `action` are a deed's, the night's list
    has no action.
    """

    weight: float
    reason: str
    because: str
    action: str


class Ranked(NamedTuple):
    """A track that may be shown; `voice` is the one that speaks most for it."""

    track_id: str
    score: float
    voice: Voice


def rank_tracks(
    listed: Sequence[Near],
    deeds: Sequence[Deed],
    nearest: Mapping[str, Sequence[Near]],
    left_out: set[str],
) -> list[Ranked]:
    """Every track that is not left out, the best first, ties by track id.

    A track of the night's list (`listed`, the best first) counts from 1 downwards, evenly. To
    that come the published neighbours (`nearest`, the nearest first) of what the listener has
    done since (`deeds`, the newest last): they count so too, times the deed's weight.
    """
    voices = collect_voices(listed, deeds, nearest)
    ranked = [Ranked(track_id, *weigh(voices[track_id])) for track_id in voices.keys() - left_out]
    return sorted(ranked, key=lambda one: (-one.score, one.track_id))


def weigh(said: list[Voice]) -> tuple[float, Voice]:
    """The score of a track, and the voice that speaks most for it."""
    if len(said) == 1:
        return round(said[0].weight, SCORE_DECIMALS), said[0]
    return round(sum(voice.weight for voice in said), SCORE_DECIMALS), max(said)


def collect_voices(
    listed: Sequence[Near], deeds: Sequence[Deed], nearest: Mapping[str, Sequence[Near]]
) -> dict[str, list[Voice]]:
    voices: dict[str, list[Voice]] = defaultdict(list)
    for near, share in rank_near(listed):
        voices[near.track_id].append(speak_of(near, share))
    for age, deed in enumerate(reversed(deeds)):
        weight = WEIGHTS[deed.action] * DECAY**age
        for near, share in rank_near(nearest.get(deed.track_id, ())):
            voice = Voice(weight * share, near.reason, deed.track_id, deed.action)
            voices[near.track_id].append(voice)
    return voices


def speak_of(near: Near, share: float) -> Voice:
    """The night's list for one of its tracks."""
    return Voice(share, near.reason, near.because or "", "")


def rank_near(found: Sequence[Near]) -> Iterator[tuple[Near, float]]:
    """Each with its share: 1 for the first, evenly less for the others. Cosines would not do:
    how large they are depends on the space.
    """
    for place, near in enumerate(found):
        yield near, 1 - place / len(found)


def spread_artists(
    ranked: Sequence[Ranked], names: Mapping[str, Names], count: int
) -> list[Ranked]:
    """The first of each artist, then, if they are too few, the others, all in their order."""
    seen: set[str] = set()
    first: list[Ranked] = []
    more: list[Ranked] = []
    for one in ranked:
        artist = names[one.track_id].artist
        (more if artist in seen else first).append(one)
        seen.add(artist)
    return (first + more)[:count]


def word_reason(voice: Voice, names: Mapping[str, Names]) -> str:
    """`names` knows the track that the voice speaks of."""
    if not voice.action:
        return voice.reason
    spoken = SPOKEN.get(voice.action, "despite")
    return f"{spoken} {names[voice.because].title}: {voice.reason}"
