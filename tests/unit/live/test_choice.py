"""The three that a listener is shown: rules, order, reasons."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from nocturne.live.choice import (
    DECAY,
    WEIGHTS,
    Names,
    Near,
    Voice,
    rank_tracks,
    spread_artists,
    word_reason,
)
from nocturne.live.listener import Deed

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
IDS = [f"t{number:02}" for number in range(30)]
NAMES = {track_id: Names(f"Title {track_id}", f"Artist {track_id}") for track_id in IDS}


def near(*track_ids, reason="close in timbre", because=None):
    return [Near(track_id, 0.9, reason, because) for track_id in track_ids]


def deed(minute, track_id, action):
    return Deed(NOON + timedelta(minutes=minute), track_id, action, f"{minute}")


def choose(listed=(), deeds=(), nearest=None, left_out=(), names=NAMES, count=3):
    ranked = rank_tracks(listed, deeds, nearest or {}, set(left_out))
    return spread_artists(ranked, names, count)


def ids(chosen):
    return [one.track_id for one in chosen]


def test_without_deeds_it_is_the_nights_list():
    chosen = choose(near(*IDS[:5], reason="because you played Food", because="t09"))
    assert ids(chosen) == IDS[:3]
    assert word_reason(chosen[0].voice, {}) == "because you played Food"
    assert chosen[0].voice.because == "t09"
    assert [one.score for one in chosen] == [1.0, 0.8, 0.6]


def test_a_like_brings_the_nearest_to_the_top_and_says_why():
    chosen = choose(near(*IDS[:5]), [deed(0, "t20", "like")], {"t20": near("t21", "t22")}, {"t20"})
    assert ids(chosen) == ["t21", "t00", "t01"]
    assert word_reason(chosen[0].voice, NAMES) == "because you liked Title t20: close in timbre"
    assert chosen[0].voice.because == "t20"
    assert chosen[0].score == WEIGHTS["like"]


def test_what_stays_although_it_was_skipped_says_so():
    voice = Voice(-0.1, "close in timbre", "t20", "skip")
    assert word_reason(voice, NAMES) == "despite Title t20: close in timbre"


def test_a_skip_pushes_its_neighbours_down():
    listed = near(*IDS[:4])
    assert ids(choose(listed, [deed(0, "t20", "skip")], {"t20": near("t00")}))[0] == "t01"


def test_older_deeds_count_less():
    deeds = [deed(0, "t20", "like"), deed(1, "t25", "like")]
    chosen = choose((), deeds, {"t20": near("t21"), "t25": near("t26")})
    assert [(one.track_id, one.score) for one in chosen] == [
        ("t26", WEIGHTS["like"]), ("t21", round(WEIGHTS["like"] * DECAY, 4)),
    ]  # fmt: skip


def test_one_track_of_an_artist_unless_the_list_would_be_short():
    same = NAMES | {"t01": Names("B", "Artist t00"), "t02": Names("C", "Artist t00")}
    assert ids(choose(near(*IDS[:5]), names=same)) == ["t00", "t03", "t04"]
    assert ids(choose(near(*IDS[:3]), names=same)) == ["t00", "t01", "t02"]


@given(
    st.lists(st.sampled_from(IDS), unique=True),
    st.lists(st.tuples(st.sampled_from(IDS), st.sampled_from(sorted(WEIGHTS))), max_size=20),
    st.dictionaries(st.sampled_from(IDS), st.lists(st.sampled_from(IDS), unique=True)),
    st.sets(st.sampled_from(IDS)),
    st.integers(1, 10),
)
def test_a_list_never_repeats_a_track_or_shows_what_is_left_out(
    listed, done, nearest, left_out, count
):
    deeds = [deed(minute, *what) for minute, what in enumerate(done)]
    neighbours = {track_id: near(*found) for track_id, found in nearest.items()}
    chosen = ids(choose(near(*listed), deeds, neighbours, left_out, count=count))
    assert len(set(chosen)) == len(chosen) <= count
    assert not left_out.intersection(chosen)
    candidates = {*listed, *(one for track, _ in done for one in nearest.get(track, ()))}
    assert len(chosen) == min(count, len(candidates - left_out))
