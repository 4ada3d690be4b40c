"""The list of each listener: what to leave out, how to spread artists, why a track is there."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import NDArray

from nocturne.models.evaluation import Scorer
from nocturne.models.selection import take_largest
from nocturne.recommend.scorers import Rows, Scores, Vectors

Row = dict[str, Any]
BY_TASTE, BY_CONTENT, BY_POPULARITY = "taste", "content", "popularity"
SKIPS_TO_LEAVE_OUT = 2
TRACKS_OF_ONE_ARTIST = 2
# Ranking all of 100,000 tracks for each listener would take minutes; so many are nearly always
# enough to spread artists.
RANKED_PER_CHOSEN = 20
SCORE_DECIMALS = 4
LISTENERS_AT_A_TIME = 256
CLOSE = 0.3
"""The least cosine of tracks that are called close. Of two tracks by chance it is near 0 in both
spaces, for they are centred."""
REASONS_CONSIDERED = 100
"""A listener's weightiest tracks; the reason for a recommendation is one of them."""


@dataclass(frozen=True)
class Shelf:
    """The tracks of a version, sorted by id: what a list shows and explains.

    `vectors` is (tracks, dims) and `factors` (tracks, rank), zeros for tracks nobody likes;
    `clusters` holds None where there is no clustering, `heard` (tracks,) tells which ones somebody
    has done anything with.
    """

    track_ids: list[str]
    titles: list[str]
    artists: list[str]
    clusters: list[int | None]
    vectors: Vectors
    factors: Vectors
    heard: NDArray[np.bool_]


@dataclass(frozen=True)
class Audience:
    """Listeners, sorted by id: `liked` (users, tracks) holds positive weights, `left_out` marks
    what a listener must not be shown, `basis` says what each list is made from.
    """

    user_ids: list[str]
    liked: sp.csr_matrix
    left_out: sp.csr_matrix
    basis: list[str]

    @cached_property
    def popular(self) -> NDArray[np.bool_]:
        """Which tracks anybody likes: (tracks,)."""
        found: NDArray[np.bool_] = np.asarray(self.liked.getnnz(axis=0)) > 0
        return found


def find_left_out(
    dealings: pd.DataFrame, shape: tuple[int, int], before: datetime, recent: timedelta
) -> sp.csr_matrix:
    """Tracks that a listener heard lately, has hidden, or has skipped twice or more.

    `dealings` has `user_number` and `item_number` beside its columns.
    """
    lately = dealings["last_at"] >= before - recent
    unwanted = (dealings["hides"] > 0) | (dealings["skips"] >= SKIPS_TO_LEAVE_OUT)
    chosen = dealings[lately | unwanted]
    marks = np.ones(len(chosen), dtype=np.float32)
    places = (chosen["user_number"].to_numpy(), chosen["item_number"].to_numpy())
    return sp.csr_matrix((marks, places), shape=shape)


def build_for_you_rows(
    version: str, shelf: Shelf, audience: Audience, scorer: Scorer, count: int
) -> Iterator[Row]:
    """A row of `for_you` for each listener: `count` tracks, or all that may be shown if fewer."""
    numbers = {artist: number for number, artist in enumerate(sorted(set(shelf.artists)))}
    artists = np.array([numbers[artist] for artist in shelf.artists])
    for start in range(0, len(audience.user_ids), LISTENERS_AT_A_TIME):
        users = np.arange(start, min(start + LISTENERS_AT_A_TIME, len(audience.user_ids)))
        scores = np.array(scorer.score(users), dtype=np.float64)
        scores[audience.left_out[users].nonzero()] = -np.inf
        for user, row in zip(users.tolist(), scores, strict=True):
            chosen = choose_tracks(row, artists, count)
            yield {
                "_id": f"{version}/{audience.user_ids[user]}",
                "version": version,
                "user_id": audience.user_ids[user],
                "basis": audience.basis[user],
                "items": describe_items(shelf, audience, user, chosen, row[chosen]),
            }


def choose_tracks(scores: Scores, artists: Rows, count: int) -> Rows:
    """The best tracks that may be shown, at most two of an artist unless the list would be short.

    Ties are broken by the lower row. What is beyond an artist's two comes after everything else.
    """
    rounded = np.asarray(scores, dtype=np.float64).round(SCORE_DECIMALS)
    ranked, first = rank_shown(rounded, artists, RANKED_PER_CHOSEN * count)
    if first.sum() < count:
        ranked, first = rank_shown(rounded, artists, len(scores))
    chosen: Rows = np.concatenate([ranked[first], ranked[~first]])[:count]
    return chosen


def rank_shown(
    scores: NDArray[np.float64], artists: Rows, most: int
) -> tuple[Rows, NDArray[np.bool_]]:
    """The best tracks, at most so many, and which of them are within their artist's two."""
    ranked = take_largest(scores, min(most, len(scores)))
    ranked = ranked[np.isfinite(scores[ranked])]
    turns = pd.Series(artists[ranked]).groupby(artists[ranked]).cumcount().to_numpy()
    return ranked, turns < TRACKS_OF_ONE_ARTIST


def describe_items(
    shelf: Shelf, audience: Audience, user: int, chosen: Rows, scores: Scores
) -> list[Row]:
    liked = set(audience.liked[user].indices.tolist())
    because = find_causes(shelf, audience.liked[user], chosen)
    popular = audience.popular
    return [
        {
            "track_id": shelf.track_ids[track],
            "score": round(float(score), SCORE_DECIMALS) + 0.0,
            "cluster": shelf.clusters[track],
            "because": None if cause is None else shelf.track_ids[cause],
            "reason": give_reason(
                shelf, track, cause, known=track in liked, popular=bool(popular[track])
            ),
        }
        for track, cause, score in zip(chosen.tolist(), because, scores, strict=True)
    ]


def find_causes(shelf: Shelf, liked: sp.csr_matrix, chosen: Rows) -> list[int | None]:
    """For each chosen track the one that the listener likes and that speaks most for it.

    A liked track speaks by its weight times its closeness: the cosine of factors between tracks
    that are liked, of sound where one is not. Itself is no reason, nor is one that is far by
    sound, or liked by others than those who like the chosen one.
    """
    order = np.argsort(-liked.data, kind="stable")[:REASONS_CONSIDERED]
    known, weights = liked.indices[order], liked.data[order]
    if not len(known):
        return [None] * len(chosen)
    closeness = compare(shelf.factors, chosen, known)
    both_liked = np.outer(shelf.factors[chosen].any(axis=1), shelf.factors[known].any(axis=1))
    closeness = np.where(both_liked, closeness, compare(shelf.vectors, chosen, known))
    voices = np.round(closeness * weights, SCORE_DECIMALS)
    far = closeness <= np.where(both_liked, 0, CLOSE)
    itself = np.subtract.outer(chosen, known) == 0
    voices = np.where(itself | far, -np.inf, voices)
    best = voices.argmax(axis=1)
    spoken = np.isfinite(voices.max(axis=1))
    return [int(known[one]) if said else None for one, said in zip(best, spoken, strict=True)]


def compare(rows: Vectors, some: Rows, others: Rows) -> NDArray[np.float64]:
    """Cosines between rows: (some, others); 0 where one is all zeros."""
    left, right = (rows[numbers].astype(np.float64) for numbers in (some, others))
    lengths = np.outer(np.linalg.norm(left, axis=1), np.linalg.norm(right, axis=1))
    cosines: NDArray[np.float64] = np.divide(
        left @ right.T, lengths, out=np.zeros_like(lengths), where=lengths > 0
    )
    return cosines


def give_reason(shelf: Shelf, track: int, cause: int | None, *, known: bool, popular: bool) -> str:
    """`known` if the listener likes the track, `popular` if anybody does."""
    if cause is None:
        return give_reason_alone(known=known, popular=popular, heard=bool(shelf.heard[track]))
    played = shelf.titles[cause]
    if shelf.factors[[track, cause]].any(axis=1).all():
        return f"because you played {played}"
    same = shelf.clusters[track] is not None and shelf.clusters[track] == shelf.clusters[cause]
    sound = "same cluster and close in timbre" if same else "close in timbre"
    return f"because you played {played}: {sound}"


def give_reason_alone(*, known: bool, popular: bool, heard: bool) -> str:
    """Where no liked track speaks for it."""
    if known:
        return "because you played it before"
    if popular:
        return "popular with other listeners"
    return "little heard here" if heard else "new here"
