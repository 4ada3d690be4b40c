from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nocturne.models.baselines import Ease, Popularity
from nocturne.models.evaluation import rank
from nocturne.models.interactions import gather
from nocturne.models.splits import Split, split_by_user
from nocturne.models.taste import FactorScorer, Taste
from nocturne.recommend import tastes
from nocturne.recommend.blend import (
    CONTENT,
    ITEMS,
    POPULARITY,
    TASTE,
    Blend,
    Given,
    judge_by_validation,
)
from nocturne.recommend.tastes import (
    NEWCOMER_SHARES,
    REGULARISATIONS,
    blend_scorers,
    choose_blend,
    judge_taste,
    make_scorers,
    widen_factors,
)

USERS, ITEMS_THERE, NEW = 40, 24, 3
"""Listeners and tracks, of each half with a taste for the other's; the last tracks are new."""
HALF = np.arange(ITEMS_THERE) % 2


def draw_directions(rows, seed):
    made = np.random.default_rng(seed).normal(size=(len(rows), 5)) * 0.5 + 2 * np.eye(5)[rows]
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)


VECTORS = draw_directions(HALF, 7)
FACTORS = draw_directions(np.arange(USERS) % 2, 8), draw_directions(HALF, 9)


@pytest.fixture
def crowd():
    """Interactions of two crowds, each with a taste for a half of the tracks."""
    random = np.random.default_rng(0)
    likes = np.where(np.arange(USERS)[:, None] % 2 == HALF, 0.7, 0.1)
    likes[:, -NEW:] = 0
    user, item = np.nonzero(random.random((USERS, ITEMS_THERE)) < likes)
    found = gather(
        [f"u{u:02}" for u in user], [f"i{i:02}" for i in item], random.random(len(user)) + 0.5, None
    )
    return replace(found, items=[f"i{i:02}" for i in range(ITEMS_THERE)])


def fit_items(interactions, mask):
    return Ease(interactions.to_matrix(mask), 50.0)


@pytest.fixture
def split(crowd):
    return split_by_user(crowd, 0)


def test_scorers_are_the_models_over_the_chosen_part(crowd, split):
    scorers = make_scorers(crowd, split.train, FACTORS, None, fit_items(crowd, split.train))
    heard = crowd.to_matrix(split.train)
    everybody = np.arange(USERS)
    expected = {
        TASTE: FactorScorer(*FACTORS),
        ITEMS: Ease(heard, 50.0),
        POPULARITY: Popularity(heard),
    }
    assert list(scorers) == list(expected)
    for name, scorer in expected.items():
        np.testing.assert_allclose(scorers[name].score(everybody), scorer.score(everybody))


def test_tracks_that_nobody_has_heard_are_scored_by_their_relatives(crowd, split):
    bare = make_scorers(crowd, split.train, FACTORS, None, fit_items(crowd, split.train))
    filled = make_scorers(crowd, split.train, FACTORS, VECTORS, fit_items(crowd, split.train))
    assert list(filled) == [TASTE, ITEMS, CONTENT, POPULARITY]
    everybody = np.arange(USERS)
    for name in (TASTE, ITEMS):
        before, after = bare[name].score(everybody), filled[name].score(everybody)
        np.testing.assert_allclose(after[:, :-NEW], before[:, :-NEW], rtol=1e-5)
        mine = (everybody[:, None] % 2 == HALF)[:, -NEW:]
        assert after[:, -NEW:][mine].mean() > after[:, -NEW:][~mine].mean()


def test_if_everything_was_heard_there_is_nothing_to_fill(crowd, split):
    whole = replace(crowd, items=crowd.items[:-NEW])
    factors = FACTORS[0], FACTORS[1][:-NEW]
    heard = np.ones(len(whole.user), dtype=bool)
    filled = make_scorers(whole, heard, factors, VECTORS[:-NEW], fit_items(whole, heard))
    bare = make_scorers(whole, heard, factors, None, fit_items(whole, heard))
    for name in (TASTE, ITEMS):
        np.testing.assert_array_equal(filled[name].score([0, 1]), bare[name].score([0, 1]))


def test_content_weighs_tracks_by_what_they_are_worth_to_a_listener(crowd):
    everything = np.ones(len(crowd.user), dtype=bool)
    profiles = make_scorers(crowd, everything, FACTORS, VECTORS, fit_items(crowd, everything))[
        CONTENT
    ].profiles
    own = crowd.user == 3
    mean = crowd.weight[own] @ VECTORS[crowd.item[own]]
    np.testing.assert_allclose(profiles[3], mean / np.linalg.norm(mean), rtol=1e-5)


def test_who_likes_fewer_than_three_is_new(crowd, split):
    scorers = make_scorers(crowd, split.train, FACTORS, VECTORS, fit_items(crowd, split.train))
    few = np.zeros(len(crowd.user), dtype=bool)
    for user, count in enumerate((0, 2, 3)):
        few[np.flatnonzero(crowd.user == user)[:count]] = True
    blend = blend_scorers(scorers, crowd, few, {TASTE: 1.0})
    assert blend.newcomers[:3].tolist() == [True, True, False]
    assert blend.newcomer_shares == NEWCOMER_SHARES
    bare = make_scorers(crowd, split.train, FACTORS, None, fit_items(crowd, split.train))
    assert blend_scorers(bare, crowd, few, {TASTE: 1.0}).newcomers is None


def test_newcomers_get_what_sounds_alike_and_strangers_what_is_popular(crowd):
    """Who likes one track gets its half; who likes none, tracks in the order of listeners."""
    few = crowd.user > 1
    few[np.flatnonzero(crowd.user == 1)[0]] = True
    scorers = make_scorers(crowd, few, FACTORS, VECTORS, fit_items(crowd, few))
    blend = blend_scorers(scorers, crowd, few, {TASTE: 1.0})
    heard = crowd.to_matrix(few)
    stranger, newcomer = rank(blend, np.array([0, 1]), heard, 6)
    listeners = np.asarray(heard.sum(axis=0)).ravel()
    assert listeners[stranger].tolist() == sorted(listeners, reverse=True)[:6]
    assert HALF[newcomer].tolist() == [HALF[crowd.item[few & (crowd.user == 1)][0]]] * 6


@pytest.mark.parametrize("vectors", [None, VECTORS], ids=["without sound", "with sound"])
def test_the_blend_is_chosen_without_the_test_part(crowd, split, vectors):
    chosen, blend = choose_blend(crowd, split, FACTORS, vectors)
    assert chosen.regularisation in REGULARISATIONS
    assert chosen.shares == blend.shares
    # Whatever is in the test part: swapped for tracks that the listeners do not even have.
    other = crowd.item.copy()
    other[split.test] = ITEMS_THERE - 1
    changed = replace(crowd, item=other)
    again, same = choose_blend(changed, split, FACTORS, vectors)
    assert again == chosen
    everybody = np.arange(USERS)
    np.testing.assert_array_equal(same.score(everybody), blend.score(everybody))


@pytest.mark.parametrize("tried", [(1e6, 1.0), (1.0, 1e6)])
def test_the_regularisation_is_chosen_by_how_ease_alone_ranks(crowd, split, monkeypatch, tried):
    monkeypatch.setattr(tastes, "REGULARISATIONS", tried)
    noise = draw_directions(np.zeros(USERS, int), 1), draw_directions(np.zeros(ITEMS_THERE, int), 2)
    models = {one: Ease(crowd.to_matrix(split.train), one) for one in tried}
    scores = {one: judge_by_validation(model, crowd, split) for one, model in models.items()}
    best = max(tried, key=lambda one: scores[one])
    assert scores[1.0] != scores[1e6]
    chosen, blend = choose_blend(crowd, split, noise, None)
    assert chosen.regularisation == best
    expected = Ease(crowd.to_matrix(split.train), best).score([0])
    np.testing.assert_array_equal(blend.scorers[ITEMS].score([0]), expected)


def test_the_blend_is_made_from_the_training_part_alone(crowd, split):
    _, blend = choose_blend(crowd, split, FACTORS, VECTORS)
    heard = crowd.to_matrix(split.train)
    assert blend.scorers[POPULARITY].listeners.tolist() == heard.toarray().sum(axis=0).tolist()


def test_taste_is_judged_beside_its_parts_popularity_and_chance(crowd, split):
    _, blend = choose_blend(crowd, split, FACTORS, VECTORS)
    judged = judge_taste(crowd, split, blend)
    assert judged["judged"] == len(np.unique(crowd.user[split.test]))
    figures = {row["model"]: row["ndcg@10"] for row in judged["models"]}
    assert set(figures) == {POPULARITY, "random", TASTE, ITEMS, CONTENT, "nocturne"}
    assert figures["nocturne"] > 1.5 * figures["random"]
    assert figures["nocturne"] > figures[POPULARITY]


def test_what_was_held_out_for_validation_is_not_in_the_way_of_the_test(crowd, split):
    """Lists leave out what a listener has heard, the validation part, too."""
    known = (9 * crowd.to_matrix(split.validation) + crowd.to_matrix(split.test)).toarray()
    judged = judge_taste(crowd, split, Blend({TASTE: Given(known)}, {TASTE: 1.0}))
    [ours] = [row for row in judged["models"] if row["model"] == "nocturne"]
    assert ours["ndcg@10"] == 1


def test_fewer_listeners_are_judged_if_there_are_many(crowd, split, monkeypatch):
    monkeypatch.setattr(tastes, "MOST_JUDGED", 11)
    _, blend = choose_blend(crowd, split, FACTORS, VECTORS)
    assert judge_taste(crowd, split, blend)["judged"] == 11


def test_with_nothing_held_out_nothing_is_judged(crowd):
    everything = np.ones(len(crowd.user), dtype=bool)
    nothing = Split(everything, ~everything, ~everything)
    chosen, blend = choose_blend(crowd, nothing, FACTORS, VECTORS)
    assert chosen.shares[TASTE] == 1
    assert judge_taste(crowd, nothing, blend) == {"judged": 0, "models": []}


@given(st.sets(st.integers(0, USERS - 1)), st.sets(st.integers(0, ITEMS_THERE - 1)))
def test_factors_find_their_places_among_more_names(users, items):
    """What was trained on knows fewer listeners and tracks than the library has."""
    names = [f"u{user:02}" for user in range(USERS)], [f"i{i:02}" for i in range(ITEMS_THERE)]
    interactions = replace(gather(["x"], ["y"], np.ones(1), None), users=names[0], items=names[1])
    own = sorted(users), sorted(items)
    factors = FACTORS[0][own[0]], FACTORS[1][own[1]]
    taste = Taste([names[0][u] for u in own[0]], [names[1][i] for i in own[1]], factors, factors)
    for found, whole, kept in zip(
        widen_factors(factors, taste, interactions), FACTORS, own, strict=True
    ):
        there = np.isin(np.arange(len(whole)), kept)
        np.testing.assert_array_equal(found, np.where(there[:, None], whole, 0))
