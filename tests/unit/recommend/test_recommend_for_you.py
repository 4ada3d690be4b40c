from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import bson
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from nocturne.models.baselines import Popularity
from nocturne.recommend import for_you
from nocturne.recommend.anybody import ANYBODY
from nocturne.recommend.blend import Given
from nocturne.recommend.for_you import (
    Audience,
    Shelf,
    build_for_you_rows,
    choose_tracks,
    compare,
    find_causes,
    find_left_out,
    give_reason,
)

NIGHT_END = datetime(2026, 11, 20, 2, tzinfo=UTC)
WEEK = timedelta(days=7)


# What is left out


def deal(last_at=NIGHT_END - 2 * WEEK, **counts):
    """One listener's dealings with track 1 of three."""
    row = {"user_number": 0, "item_number": 1, "plays": 0, "likes": 0, "skips": 0, "hides": 0}
    return pd.DataFrame([{**row, "last_at": last_at, **counts}])


@pytest.mark.parametrize(
    ("dealing", "left_out"),
    [
        (deal(plays=9), False),
        (deal(likes=1), False),
        (deal(plays=1, last_at=NIGHT_END - timedelta(seconds=1)), True),
        (deal(plays=1, last_at=NIGHT_END - WEEK), True),
        (deal(plays=1, last_at=NIGHT_END - WEEK - timedelta(milliseconds=1)), False),
        (deal(likes=1, last_at=NIGHT_END - timedelta(days=1)), True),
        (deal(skips=1), False),
        (deal(skips=2), True),
        (deal(plays=9, likes=1, skips=3), True),
        (deal(plays=9, likes=1, hides=1), True),
    ],
)
def test_what_a_listener_is_not_shown(dealing, left_out):
    found = find_left_out(dealing, (2, 3), NIGHT_END, WEEK).toarray()
    assert found.tolist() == [[0, int(left_out), 0], [0, 0, 0]]


def test_no_recent_days_leave_nothing_out_for_being_recent():
    dealing = deal(plays=1, last_at=NIGHT_END - timedelta(milliseconds=1))
    assert find_left_out(dealing, (1, 3), NIGHT_END, timedelta(0)).nnz == 0


# Which tracks, in which order


def choose_by_brute_force(scores, artists, count):
    """One track after the other, as the docstring says it."""
    shown = [track for track in range(len(scores)) if scores[track] > -np.inf]
    ranked = sorted(shown, key=lambda track: (-np.round(scores[track], 4), track))
    taken, spare, of_artist = [], [], Counter()
    for track in ranked:
        of_artist[artists[track]] += 1
        (taken if of_artist[artists[track]] <= 2 else spare).append(track)
    return (taken + spare)[:count]


@given(st.integers(0, 10**6), st.integers(1, 25), st.integers(1, 6))
def test_tracks_are_chosen_one_after_the_other(seed, tracks, makers):
    """Few different scores, so that ties abound; some tracks may not be shown."""
    random = np.random.default_rng(seed)
    scores = random.integers(0, 6, tracks) / 4
    scores[random.random(tracks) < 0.3] = -np.inf
    artists = random.integers(0, makers, tracks)
    for count in (1, 5, 30):
        chosen = choose_tracks(scores, artists, count)
        assert chosen.tolist() == choose_by_brute_force(scores, artists, count)
        shown = np.isfinite(scores).sum()
        assert len(chosen) == min(count, shown), "a full list when enough tracks may be shown"


def test_at_most_two_of_an_artist_while_others_are_left():
    scores = np.array([9.0, 8, 7, 6, 5, 4])
    artists = np.array([0, 0, 0, 0, 1, 2])
    assert choose_tracks(scores, artists, 4).tolist() == [0, 1, 4, 5]
    assert choose_tracks(scores, artists, 6).tolist() == [0, 1, 4, 5, 2, 3]


def test_scores_that_print_alike_are_ties():
    scores = np.array([0.50001, 0.50002, 0.7, 0.50003])
    assert choose_tracks(scores, np.arange(4), 4).tolist() == [2, 0, 1, 3]


# Reasons

SHELF = Shelf(
    track_ids=["a", "b", "c", "d", "e"],
    titles=["Aria", "Ballad", "Canon", "Dance", "Etude"],
    artists=["One", "Two", "Three", "Four", "Five"],
    clusters=[0, 0, 1, 1, None],
    vectors=np.array([[1, 0], [0.8, 0.6], [0, 1], [0.6, 0.8], [-1, 0]], np.float32),
    # The last two were never heard.
    factors=np.array([[1, 0], [0, 1], [0.1, 2], [0, 0], [0, 0]], np.float32),
    heard=np.array([True, True, True, True, False]),
)


def like(**weights):
    row = np.zeros((1, 5))
    for track_id, weight in weights.items():
        row[0, SHELF.track_ids.index(track_id)] = weight
    return csr_matrix(row)


def cause_of(track_id, liked):
    [cause] = find_causes(SHELF, liked, np.array([SHELF.track_ids.index(track_id)]))
    return None if cause is None else SHELF.track_ids[cause]


def test_a_heard_track_is_there_because_of_the_nearest_by_taste():
    """By sound, b is nearer to a than to c; by taste to c."""
    assert cause_of("b", like(a=1, c=1)) == "c"


def test_a_new_track_is_there_because_of_the_nearest_by_sound():
    assert cause_of("d", like(a=1, c=1)) == "c"


def test_what_a_listener_likes_better_speaks_louder():
    """Cosines of d with a and c: .6 and .8."""
    assert cause_of("d", like(a=1.5, c=1)) == "a"
    assert cause_of("d", like(a=1.3, c=1)) == "c"


def test_of_equal_voices_the_weightiest_and_then_the_first_speaks():
    liked = like(a=3, b=3, c=1)
    shelf = replace(SHELF, factors=np.ones((5, 1), np.float32))
    assert find_causes(shelf, liked, np.array([2, 0])) == [0, 1]


def test_a_track_is_no_reason_for_itself():
    assert cause_of("b", like(c=1, b=50)) == "c"
    assert cause_of("b", like(b=50)) is None


def test_what_is_far_is_no_reason():
    """By taste a and b have nothing in common; by sound d is far from e, at cosine -.6."""
    assert cause_of("b", like(a=9)) is None
    assert cause_of("d", like(e=9)) is None
    assert cause_of("d", like(e=9, a=1)) == "a"


@pytest.mark.parametrize(
    ("cosine", "cause"), [(0.31, "a"), (0.29, None), (0.0, None), (-0.9, None)]
)
def test_close_has_a_floor(cosine, cause):
    near = np.array([[1, 0], [0, 1], [0, 1], [cosine, (1 - cosine**2) ** 0.5], [0, 1]], np.float32)
    found = find_causes(replace(SHELF, vectors=near), like(a=50), np.array([3]))
    assert found == [None if cause is None else 0]


def test_who_likes_nothing_has_no_reason():
    assert find_causes(SHELF, like(), np.array([0, 3])) == [None, None]


def test_only_the_weightiest_are_considered(monkeypatch):
    monkeypatch.setattr(for_you, "REASONS_CONSIDERED", 1)
    assert cause_of("d", like(a=1.1, c=1)) == "a"


@pytest.mark.parametrize(
    ("track", "cause", "known", "popular", "reason"),
    [
        (1, 0, False, True, "because you played Aria"),
        (3, 2, False, False, "because you played Canon: same cluster and close in timbre"),
        (3, 0, False, False, "because you played Aria: close in timbre"),
        (1, None, True, True, "because you played it before"),
        (1, None, False, True, "popular with other listeners"),
        (1, None, False, False, "little heard here"),
        (4, None, False, False, "new here"),
    ],
)
def test_reasons_for_a_listener(track, cause, known, popular, reason):
    assert give_reason(SHELF, track, cause, known=known, popular=popular) == reason


def test_closeness_is_the_cosine_and_nothing_is_close_to_nothing():
    rows = np.array([[3, 4], [0, 0], [4, -3], [6, 8]], np.float32)
    found = compare(rows, np.array([0, 1]), np.arange(4))
    assert found.tolist() == [pytest.approx([1, 0, 0, 1]), [0, 0, 0, 0]]


def test_in_a_library_that_nobody_has_heard_everything_is_new():
    nobody = Audience([ANYBODY], csr_matrix((1, 5)), csr_matrix((1, 5)), ["popularity"])
    shelf = replace(SHELF, factors=np.zeros((5, 1), np.float32), heard=np.zeros(5, bool))
    [row] = build_for_you_rows("v1", shelf, nobody, Given(np.ones((1, 5))), 5)
    assert [item["reason"] for item in row["items"]] == ["new here"] * 5


# Rows

LIKED = csr_matrix(np.array([[0, 0, 0, 0, 0], [2.0, 0, 0, 0, 0], [0, 0, 0, 0, 0]]))
LEFT_OUT = csr_matrix(np.array([[0, 0, 0, 0, 0], [1.0, 1, 0, 0, 0], [1, 1, 1, 1, 1]]))
AUDIENCE = Audience([ANYBODY, "ann", "bob"], LIKED, LEFT_OUT, ["popularity", "content", "taste"])
SCORES = np.array([[5.0, 4, 3, 2, 1]] * 3)


def build(count=3, audience=AUDIENCE, scorer=None):
    return list(build_for_you_rows("v1", SHELF, audience, scorer or Given(SCORES), count))


def test_a_row_a_listener_and_one_for_anybody():
    rows = build()
    assert [row["_id"] for row in rows] == ["v1/", "v1/ann", "v1/bob"]
    assert [row["user_id"] for row in rows] == ["", "ann", "bob"]
    assert [row["basis"] for row in rows] == ["popularity", "content", "taste"]
    assert {row["version"] for row in rows} == {"v1"}
    listed = [[item["track_id"] for item in row["items"]] for row in rows]
    assert listed == [["a", "b", "c"], ["c", "d", "e"], []]
    assert rows[1]["items"][1] == {
        "track_id": "d",
        "score": 2.0,
        "cluster": 1,
        "because": "a",
        "reason": "because you played Aria: close in timbre",
    }
    assert [item["reason"] for item in rows[0]["items"]] == [
        "popular with other listeners",
        *["little heard here"] * 2,
    ]
    assert {item["because"] for item in rows[0]["items"]} == {None}


def test_rows_are_in_the_order_of_their_ids_and_can_be_stored():
    rows = build()
    assert sorted(row["_id"] for row in rows) == [row["_id"] for row in rows]
    assert [bson.decode(bson.encode(row)) for row in rows] == rows


def test_a_listener_who_is_not_shown_something_gets_the_next_best_instead():
    assert [len(row["items"]) for row in build(count=5)] == [5, 3, 0]


@pytest.mark.parametrize("listeners_at_a_time", [1, 2])
def test_groups_of_listeners_have_no_seams(monkeypatch, listeners_at_a_time):
    whole = build()
    monkeypatch.setattr(for_you, "LISTENERS_AT_A_TIME", listeners_at_a_time)
    assert build() == whole


def test_building_leaves_the_scores_of_a_model_alone():
    """Popularity's scores cannot even be written to."""
    popularity = Popularity(csr_matrix(np.array([[0, 1, 1, 0, 0], [0, 0, 1, 0, 0]], float)))
    assert [item["track_id"] for item in build(scorer=popularity)[0]["items"]] == ["c", "b", "a"]


@given(st.integers(0, 10**6))
def test_nobody_is_shown_what_is_left_out_and_every_list_is_full(seed):
    random = np.random.default_rng(seed)
    left_out = csr_matrix((random.random((3, 5)) < 0.4).astype(float))
    audience = Audience(["", "ann", "bob"], LIKED, left_out, ["taste"] * 3)
    for user, row in enumerate(build(4, audience, Given(random.normal(size=(3, 5))))):
        listed = [item["track_id"] for item in row["items"]]
        hidden = {SHELF.track_ids[track] for track in left_out[user].indices}
        assert len(set(listed)) == len(listed) == min(4, 5 - len(hidden))
        assert not hidden & set(listed)
        scores = [item["score"] for item in row["items"]]
        assert scores == sorted(scores, reverse=True)
