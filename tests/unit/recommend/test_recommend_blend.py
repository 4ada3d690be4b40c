import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nocturne.models.evaluation import measure_scorers
from nocturne.models.interactions import gather
from nocturne.models.splits import Split, split_by_user
from nocturne.recommend import blend
from nocturne.recommend.blend import (
    CONTENT,
    ITEMS,
    POPULARITY,
    TASTE,
    Blend,
    Given,
    choose_shares,
    judge_by_validation,
    list_shares,
    standardise_rows,
    thin,
)

USERS = np.arange(3)
RISING = Given(np.array([[1.0, 2.0, 3.0]] * 3))
FALLING = Given(np.array([[300.0, 200.0, 100.0]] * 3))


def order(scores):
    return np.argsort(-scores, axis=1, kind="stable").tolist()


def draw_interactions(users=30, items=12, seed=0):
    user, item = np.nonzero(np.random.default_rng(seed).random((users, items)) < 0.5)
    names = [f"u{u:02}" for u in user], [f"i{i:02}" for i in item]
    return gather(*names, np.ones(len(user)), None)


@given(st.integers(0, 10**6), st.floats(0.01, 1000), st.floats(-1000, 1000))
def test_units_and_origins_do_not_matter(seed, unit, origin):
    scores = np.random.default_rng(seed).normal(size=(4, 7))
    standard = standardise_rows(scores)
    np.testing.assert_allclose(standard.mean(axis=1), 0, atol=1e-5)
    np.testing.assert_allclose(standard.std(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(standardise_rows(unit * scores + origin), standard, atol=0.02)


def test_equal_scores_say_nothing():
    standard = standardise_rows(np.array([[0.0, 0.0, 0.0], [7.0, 7.0, 7.0], [1.0, 2.0, 3.0]]))
    assert standard[:2].tolist() == [[0, 0, 0], [0, 0, 0]]
    assert standard[2].tolist() == pytest.approx([-(1.5**0.5), 0, 1.5**0.5])


def test_standardising_leaves_the_scores_of_a_model_alone():
    scores = np.array([[1.0, 2.0]])
    standardise_rows(scores)
    assert scores.tolist() == [[1, 2]]


def test_the_larger_share_wins_whatever_the_units():
    both = {TASTE: RISING, ITEMS: FALLING}
    assert order(Blend(both, {TASTE: 0.6, ITEMS: 0.4}).score(USERS)) == [[2, 1, 0]] * 3
    assert order(Blend(both, {TASTE: 0.4, ITEMS: 0.6}).score(USERS)) == [[0, 1, 2]] * 3
    np.testing.assert_allclose(Blend(both, {TASTE: 0.5, ITEMS: 0.5}).score(USERS), 0, atol=1e-6)


def test_a_scorer_without_a_share_is_not_asked():
    assert order(Blend({TASTE: RISING}, {TASTE: 1.0, CONTENT: 0.0}).score(USERS)) == [[2, 1, 0]] * 3


def test_newcomers_have_their_own_shares():
    made = Blend(
        {TASTE: RISING, CONTENT: FALLING}, {TASTE: 1.0}, np.array([False, True, False]),
        {CONTENT: 1.0},
    )  # fmt: skip
    assert order(made.score(USERS)) == [[2, 1, 0], [0, 1, 2], [2, 1, 0]]
    assert order(made.score(np.array([1]))) == [[0, 1, 2]]
    assert order(made.score(np.array([2, 1]))) == [[2, 1, 0], [0, 1, 2]]


def test_a_listener_has_the_same_scores_whoever_is_asked_for_beside():
    random = np.random.default_rng(3)
    scorers = {name: Given(random.normal(size=(5, 9))) for name in (TASTE, CONTENT)}
    made = Blend(scorers, {TASTE: 0.7, CONTENT: 0.3}, np.arange(5) % 2 == 0, {CONTENT: 1.0})
    together = made.score(np.arange(5))
    for user in range(5):
        np.testing.assert_array_equal(made.score(np.array([user]))[0], together[user])


@pytest.mark.parametrize("content", [True, False])
def test_blends_that_are_tried_share_out_the_whole(content):
    scorers = dict.fromkeys([TASTE, ITEMS, POPULARITY, *([CONTENT] if content else [])], RISING)
    tried = list(list_shares(scorers))
    assert tried[0] == {TASTE: 1, ITEMS: 0, CONTENT: 0, POPULARITY: 0}
    for shares in tried:
        assert sum(shares.values()) == pytest.approx(1)
        assert min(shares.values()) >= 0
        assert content or shares[CONTENT] == 0
    assert len({tuple(shares.items()) for shares in tried}) == len(tried) == (18 if content else 6)


def draw_scorers(interactions, split, good, strength=9):
    """Noise, but for the scorer that knows what was held out for validation."""
    random = np.random.default_rng(1)
    shape = (len(interactions.users), len(interactions.items))
    scorers = {name: Given(random.normal(size=shape)) for name in (TASTE, ITEMS, POPULARITY)}
    known = interactions.to_matrix(split.validation).toarray()
    return scorers | {good: Given(scorers[good].scores + strength * known)}


@pytest.mark.parametrize("good", [TASTE, ITEMS, POPULARITY])
def test_the_scorer_that_knows_most_gets_the_largest_share_it_can(good):
    interactions = draw_interactions()
    split = split_by_user(interactions, 0)
    shares = choose_shares(draw_scorers(interactions, split, good), interactions, split)
    assert shares[good] == max(tried[good] for tried in list_shares({}))


@pytest.mark.parametrize("listeners_at_a_time", [1, 7, 128])
def test_shares_are_chosen_by_the_ndcg_of_the_validation_part(monkeypatch, listeners_at_a_time):
    """By blending as a whole, and by evaluation's own figures."""
    monkeypatch.setattr(blend, "LISTENERS_AT_A_TIME", listeners_at_a_time)
    interactions = draw_interactions(seed=5)
    split = split_by_user(interactions, 5)
    scorers = draw_scorers(interactions, split, ITEMS, strength=0.7)
    blends = {str(shares): Blend(scorers, shares) for shares in list_shares(scorers)}
    measured = measure_scorers(blends, interactions, split.train, split.train, split.validation)
    means = {name: item.by_user["ndcg@10"].mean() for name, item in measured.items()}
    shares = choose_shares(scorers, interactions, split)
    assert str(shares) == max(means, key=means.get)
    judged = judge_by_validation(blends[str(shares)], interactions, split)
    assert judged == pytest.approx(max(means.values()))


def test_what_was_heard_or_is_for_the_test_plays_no_role():
    """Scorers may love those of the test part, or those of the training part: nothing changes."""
    interactions = draw_interactions()
    split = split_by_user(interactions, 0)
    scorers = draw_scorers(interactions, split, ITEMS)
    heard = 9 * interactions.to_matrix(split.train).toarray()
    loving = {name: Given(scorer.scores + heard) for name, scorer in scorers.items()}
    only_test = Split(split.train, split.validation, np.zeros_like(split.test))
    chosen = choose_shares(scorers, interactions, split)
    assert choose_shares(scorers, interactions, only_test) == chosen
    assert choose_shares(loving, interactions, split) == chosen


def test_with_nothing_held_out_it_is_taste_alone():
    interactions = draw_interactions()
    everything = np.ones(len(interactions.user), dtype=bool)
    split = Split(everything, ~everything, ~everything)
    scorers = {TASTE: RISING, ITEMS: RISING, POPULARITY: RISING}
    assert choose_shares(scorers, interactions, split)[TASTE] == 1.0
    assert judge_by_validation(RISING, interactions, split) == 0.0


@given(st.integers(0, 10**6), st.integers(1, 40))
def test_thinning_keeps_whole_listeners(seed, most):
    interactions = draw_interactions(seed=seed)
    mask = np.random.default_rng(seed).random(len(interactions.user)) < 0.7
    kept = thin(interactions, mask, most)
    before, after = (set(interactions.user[part]) for part in (mask, kept))
    assert not (kept & ~mask).any()
    assert len(after) == min(most, len(before))
    np.testing.assert_array_equal(kept, mask & np.isin(interactions.user, list(after)))
