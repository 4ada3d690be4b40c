import numpy as np
import pytest

from nocturne.models.pairing import Judged, compare, pair

TRACKS = [f"t{number:03}" for number in range(60)]


def judged(items, held_out, heard=()):
    return Judged(list(items), frozenset(held_out), frozenset(heard))


def test_both_are_judged_by_what_both_held_out_among_what_both_could_list():
    """Theirs has a track that is gone and one that ours has heard since; without them it hits
    first. `c` was held out by ours alone.
    """
    ours = judged(["new", "b", "a"], ["a", "c"], heard=["x"])
    theirs = judged(["gone", "x", "a", "b"], ["a"])
    found = compare(ours, theirs, frozenset(["a", "b", "c", "x"]))
    assert found == (pytest.approx(1 / np.log2(3)), 1.0)


@pytest.mark.parametrize(
    ("ours", "theirs", "common"),
    [
        (["a"], ["b"], "ab"),  # another split
        (["a"], ["a"], "b"),  # the track has left
        ([], [], "ab"),
    ],
)
def test_a_listener_with_nothing_held_out_by_both_is_not_judged(ours, theirs, common):
    found = compare(judged("ab", ours), judged("ab", theirs), frozenset(common))
    assert found is None


def make_lists(seed, listeners, hit_share):
    """Listeners with one track held out, which stands first in `hit_share` of the lists."""
    random = np.random.default_rng(seed)
    made = {}
    for number in range(listeners):
        held, rest = TRACKS[number % 60], TRACKS[: number % 60] + TRACKS[number % 60 + 1 :]
        first = [held] if random.random() < hit_share else []
        made[f"l{number}"] = judged([*first, *rest[:20]] if first else rest[20:40], [held])
    return made


def test_newcomers_tracks_that_come_and_go_do_not_count():
    """The audience has grown from 40 to 270 listeners whom nobody can know yet, the library has
    other tracks: for those who were there nothing has changed.
    """
    theirs = make_lists(0, 40, 0.6)
    ours = {**make_lists(1, 270, 0.0), **theirs}
    found = pair(ours, theirs, frozenset(TRACKS), fewest=10, drop=0.25)
    assert found.listeners == 40
    assert found.ours == pytest.approx(found.least / 0.75)
    assert found.low > 0


def test_a_real_loss_for_the_same_listeners_is_one_whatever_newcomers_bring():
    theirs = make_lists(0, 40, 0.9)
    ours = {**make_lists(1, 270, 1.0), **make_lists(2, 40, 0.2)}
    found = pair(ours, theirs, frozenset(TRACKS), fewest=10, drop=0.25)
    assert found.high < 0


def test_a_difference_that_may_be_chance_is_not_sure():
    """Two of twelve listeners have lost their hit, one has won one."""
    hit, miss = judged(["a"], ["a"]), judged(["b"], ["a"])
    theirs = {f"l{number}": miss if number == 0 else hit for number in range(12)}
    ours = {f"l{number}": miss if number in (1, 2) else hit for number in range(12)}
    found = pair(ours, theirs, frozenset("ab"), fewest=10, drop=0.0)
    assert (found.ours, found.least) == (pytest.approx(10 / 12), pytest.approx(11 / 12))
    assert found.low < 0 < found.high


def test_too_few_of_both_say_nothing():
    theirs = make_lists(0, 9, 0.9)
    assert pair(make_lists(1, 270, 0.0), theirs, frozenset(TRACKS), fewest=10, drop=0.25) is None
