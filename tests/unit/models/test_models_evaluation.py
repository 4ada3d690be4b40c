import json
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from scipy.stats import bootstrap

from nocturne.errors import NocturneError
from nocturne.models import evaluation
from nocturne.models.baselines import Ease, ItemKnn
from nocturne.models.evaluation import evaluate, measure_scorers, paired_bootstrap, rank
from nocturne.models.interactions import gather, read_interactions
from nocturne.models.splits import split_by_time, split_by_user

ACCURACY = [f"{name}@{k}" for k in (10, 20)
            for name in ("ndcg", "recall", "precision", "mrr", "map", "hit")]  # fmt: skip


class Fixed:
    """Scores given as a whole: (users, items)."""

    def __init__(self, scores):
        self.scores = np.array(scores, dtype=np.float64)

    def score(self, users):
        return self.scores[users]


def listen(users=40, items=30, seed=0):
    """Interactions of two crowds, each with a taste for one half of the items, and their times."""
    generator = np.random.default_rng(seed)
    crowd = np.arange(users) % 2
    likes = np.where(crowd[:, None] == (np.arange(items) % 2), 0.6, 0.1)
    user, item = np.nonzero(generator.random((users, items)) < likes)
    at = generator.integers(0, 10**6, len(user))
    return gather([f"u{u:02}" for u in user], [f"i{i:02}" for i in item], np.ones(len(user)), at)


def fit_knn(interactions, split):
    return {"item-knn": ItemKnn(interactions.to_matrix(split.train), 10)}


@given(st.integers(0, 10**6), st.integers(1, 12), st.sampled_from([1, 17, 2**23]))
def test_full_ranking_is_that_of_brute_force(seed, count, cells):
    """Few different scores, so that ties abound; chunks of one user and of all."""
    generator = np.random.default_rng(seed)
    scores = generator.integers(0, 4, (6, 9)).astype(np.float64)
    scores[scores == 3] = -np.inf
    heard = generator.random((6, 9)) < 0.4
    users = np.array([4, 0, 5])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluation, "MOST_CELLS", cells)
        top = rank(Fixed(scores), users, csr_matrix(heard.astype(float)), count)
    for user, row in zip(users, top, strict=True):
        free = [item for item in range(9) if not heard[user, item] and scores[user, item] > -np.inf]
        best = sorted(free, key=lambda item: (-scores[user, item], item))[:count]
        assert row.tolist() == best + [-1] * (count - len(best))


def test_ranking_leaves_the_scores_of_a_model_alone():
    scorer = Fixed([[3.0, 2.0, 1.0]])
    assert rank(scorer, np.array([0]), csr_matrix([[1, 0, 0]]), 2).tolist() == [[1, 2]]
    assert scorer.scores.tolist() == [[3, 2, 1]]


@pytest.mark.parametrize("scores", [[[1.0, np.nan, 2.0]], [[1.0, 2.0]]])
def test_scores_that_are_no_ranking_are_refused(scores):
    with pytest.raises(NocturneError, match="Fixed did not give a number for each of 1 users"):
        rank(Fixed(scores), np.array([0]), csr_matrix([[1, 0, 0]]), 2)


def test_lists_are_measured_by_hand():
    """Users a and b, items u to z; per user a train, a validation and one or two test items.

    The scores fall from u to z. a heard u and v: the list is w x, and x was held out. b heard w and
    x: the list is u v, and v and z were held out.
    """
    interactions = gather(list("aaabbbb"), list("uvxwxvz"), np.ones(7), None)
    names = [
        interactions.users[u] + interactions.items[i]
        for u, i in zip(interactions.user, interactions.item, strict=True)
    ]
    train = np.isin(names, ["au", "bw"])
    held_out = np.isin(names, ["ax", "bv", "bz"])
    assert interactions.items == list("uvwxz")
    found = measure_scorers(
        {"falling": Fixed([[5, 4, 3, 2, 1]] * 2)}, interactions, train, ~held_out, held_out, ks=(2,)
    )["falling"]
    assert found.users.tolist() == [0, 1]
    second = 1 / np.log2(3)
    expected = {
        "ndcg@2": [second, second / (1 + second)],
        "recall@2": [1, 1 / 2],
        "precision@2": [1 / 2, 1 / 2],
        "mrr@2": [1 / 2, 1 / 2],
        "map@2": [1 / 2, 1 / 4],
        "hit@2": [1, 1],
        # u and w each have one of two users in train: 1 bit; who has none counts as one.
        "novelty@2": [1, 1],
        "diversity@2": [1, 1],
    }
    assert found.by_user.keys() == expected.keys()
    for name, values in expected.items():
        assert found.by_user[name] == pytest.approx(values), name
    # u v w x are listed once each, z never: (-2 + 0 + 2 + 4) / (5 · 4).
    assert found.whole == pytest.approx({"coverage@2": 4 / 5, "gini@2": 0.2})


def test_a_report_has_popularity_and_random_and_every_metric():
    interactions = listen()
    splits = [split_by_user(interactions, seed) for seed in range(3)]
    rows = evaluate(fit_knn, interactions, splits)
    assert [row["model"] for row in rows] == ["popularity", "random", "item-knn"]
    lists = [name + suffix for suffix in ("", "@20")
             for name in ("coverage", "gini", "novelty", "diversity")]  # fmt: skip
    for row in rows:
        assert {"model", "ndcg@10_by_seed", *ACCURACY, *lists} == row.keys() - {"over_popularity"}
        assert row["ndcg@10"] == pytest.approx(np.mean(row["ndcg@10_by_seed"]))
        assert len(row["ndcg@10_by_seed"]) == 3
    popularity, _, knn = rows
    assert "over_popularity" not in popularity
    assert list(knn["over_popularity"]) == ACCURACY
    for name, over in knn["over_popularity"].items():
        assert over["difference"] == pytest.approx(knn[name] - popularity[name]), name
        assert over["low"] <= over["difference"] <= over["high"]
    assert knn["over_popularity"]["ndcg@10"]["low"] > 0
    assert json.dumps(rows) == json.dumps(evaluate(fit_knn, interactions, splits))


def test_one_k_may_be_asked_for():
    interactions = listen()
    rows = evaluate(fit_knn, interactions, [split_by_user(interactions, 0)], ks=(5,))
    assert {"ndcg@5", "ndcg@5_by_seed", "coverage", "diversity"} <= rows[0].keys()
    assert not [key for key in rows[0] if re.search("@(10|20)", key)]


def test_a_user_on_several_splits_is_one_user():
    """The same split twice says no more than once: the interval does not shrink."""
    interactions = listen()
    split = split_by_user(interactions, 0)
    once, twice = (evaluate(fit_knn, interactions, [split] * times)[2] for times in (1, 2))
    for name, over in once["over_popularity"].items():
        assert twice["over_popularity"][name] == pytest.approx(over), name


def test_a_split_by_time_has_users_that_are_new():
    """Whoever has nothing in train is judged like others; items of the future cannot be hit."""
    interactions = gather(
        ["old"] * 8 + ["new"] * 2, [*"abcdefgh", "a", "z"], np.ones(10), np.arange(10)
    )
    split = split_by_time(interactions)
    assert interactions.user[split.test].tolist() == [interactions.users.index("new")]
    rows = evaluate(lambda _, __: {}, interactions, [split])
    # Eight items have one listener each, z has none, and a is heard: z is the eighth of eight.
    assert rows[0]["ndcg@10"] == pytest.approx(1 / np.log2(8 + 1))


def test_the_interval_is_that_of_scipy():
    generator = np.random.default_rng(5)
    a, b = generator.random(300), generator.random(300) - 0.1
    low, high = paired_bootstrap(a, b, seed=0)
    expected = bootstrap(
        (a - b,), np.mean, method="percentile", n_resamples=20_000, rng=generator
    ).confidence_interval
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=0.006)
    error = (a - b).std() / 300**0.5
    assert (low, high) == pytest.approx(
        ((a - b).mean() - 1.96 * error, (a - b).mean() + 1.96 * error), abs=0.006
    )


def test_the_interval_covers_the_truth_19_times_of_20():
    generator = np.random.default_rng(3)
    covered = 0
    for seed in range(200):
        common = generator.random(100)  # what makes pairs alike does not widen the interval
        low, high = paired_bootstrap(common + generator.normal(0.2, 1, 100), common, seed)
        covered += low <= 0.2 <= high
    assert 180 <= covered <= 199


def test_the_interval_is_paired_and_repeatable(monkeypatch):
    generator = np.random.default_rng(1)
    a, noise = generator.random(50), generator.random(50)
    assert paired_bootstrap(a + 1, a, 0) == pytest.approx((1, 1))
    whole = paired_bootstrap(a, noise, 0)
    assert whole == paired_bootstrap(a, noise, 0) != paired_bootstrap(a, noise, 1)
    low, high = paired_bootstrap(noise, a, 0)
    assert (-high, -low) == pytest.approx(whole)
    monkeypatch.setattr(evaluation, "MOST_CELLS", 700)
    assert paired_bootstrap(a, noise, 0) == pytest.approx(whole)


@pytest.mark.real_data
def test_lastfm_gives_the_known_figures(real_data):
    """Means of three seeds are .065, .163 and .203; a seed is within .004 of them."""
    interactions = read_interactions(
        real_data / "listening" / "hetrec2011-lastfm-2k" / "user_artists.dat"
    )

    def fit(interactions, split):
        train = interactions.to_matrix(split.train)
        return {"item-knn": ItemKnn(train, neighbours=100), "ease": Ease(train, l2=80.0)}

    rows = evaluate(fit, interactions, [split_by_user(interactions, 0)])
    found = {row["model"]: row for row in rows}
    assert found["popularity"]["ndcg@10"] == pytest.approx(0.065, abs=0.004)
    assert found["item-knn"]["ndcg@10"] == pytest.approx(0.163, abs=0.004)
    assert found["ease"]["ndcg@10"] > 0.195
    assert found["ease"]["recall@10"] > 0.2
    assert found["random"]["ndcg@10"] < 0.002
    assert found["ease"]["over_popularity"]["ndcg@10"]["low"] > 0.12
    assert found["popularity"]["coverage"] < 0.01 < found["ease"]["coverage"]
