import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from sklearn.model_selection import StratifiedKFold

from nocturne.errors import BadInput
from nocturne.recommend import space
from nocturne.recommend.exact import search_exact
from nocturne.recommend.genre_map import find_discriminants
from nocturne.recommend.space import embed_tracks, fit_plain, fit_space


def make_tracks(tracks, columns=12, genres=4, apart=1.5):
    """Skewed features whose genres have other means; the first column is constant."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, genres, tracks)
    centres = apart * rng.normal(size=(genres, columns))
    features = np.exp(centres[labels] + rng.normal(size=(tracks, columns)))
    features[:, 0] = 7.5
    return features, [f"genre {label}" for label in labels]


def no_genres(features):
    return [None] * len(features)


def precision_at_10(nearest, genres, own):
    return float((genres[nearest] == own[:, None]).mean())


@pytest.fixture(scope="module")
def gtzan(real_data):
    table = pd.read_csv(real_data / "genre_features/gtzan_features_30_sec.csv")
    # Clips of one source have one length to the sample, which says nothing of how they sound.
    features = table.drop(columns=["filename", "length", "label"]).to_numpy(float)
    return features, table["label"].to_numpy(str)


@pytest.mark.real_data
def test_genres_are_near_each_other_without_labels(gtzan):
    """Raw cosine has .22, standardised .549."""
    features, genres = gtzan
    vectors, _ = embed_tracks(features, no_genres(features), "plain")
    nearest, _ = search_exact(vectors, 10)
    assert precision_at_10(nearest, genres, genres) >= 0.57


@pytest.mark.real_data
def test_a_metric_learned_from_genres_holds_for_clips_that_it_has_not_seen(gtzan):
    """Five folds, mean of three draws; linear discriminants of standardised features have .591."""
    features, genres = gtzan
    precisions = []
    for seed in range(3):
        folds = StratifiedKFold(5, shuffle=True, random_state=seed)
        for known, unseen in folds.split(features, genres):
            fitted = fit_space(features[known], genres[known].tolist(), "learned")
            closeness = fitted.transform(features[unseen]) @ fitted.transform(features[known]).T
            nearest = np.argsort(-closeness, axis=1, kind="stable")[:, :10]
            precisions.append(precision_at_10(nearest, genres[known], genres[unseen]))
    assert len(precisions) == 15
    assert np.mean(precisions) >= 0.70


@pytest.mark.parametrize("metric", ["plain", "learned"])
@pytest.mark.parametrize("tracks", [1, 2, 3, 40, 700])
def test_vectors_are_unit_float32_rows(tracks, metric):
    features, genres = make_tracks(tracks)
    vectors, description = embed_tracks(features, genres, metric)
    assert vectors.dtype == np.float32
    assert vectors.shape == (tracks, description["dims"])
    lengths = np.linalg.norm(vectors, axis=1)
    assert lengths == pytest.approx(np.full(tracks, 1.0 if tracks > 1 else 0.0))


def test_at_most_64_dimensions():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(600, 150))
    genres = [f"genre {number % 5}" for number in range(600)]
    for metric in ("plain", "learned"):
        assert embed_tracks(features, genres, metric)[0].shape == (600, 64)


def test_tracks_that_are_all_alike_are_zeros():
    features, genres = make_tracks(600)
    features[:] = features[0]
    for metric in ("plain", "learned"):
        vectors, description = embed_tracks(features, genres, metric)
        assert not vectors.any()
        assert description["metric"] == "plain"
    assert description["because"] == "all tracks are alike"


def test_units_and_skewness_make_no_difference():
    """Only ranks matter, up to what lies between knots."""
    features, _ = make_tracks(200)
    other = features.copy()
    other[:, 1:] = 1000 * np.log(features[:, 1:]) ** 3 - 5
    one, again = (embed_tracks(each, no_genres(each), "plain")[0] for each in (features, other))
    assert np.allclose(np.abs(one @ one.T), np.abs(again @ again.T), atol=1e-6)


def test_a_plain_space_has_the_square_roots_of_the_variances():
    """Half-whitened: the variance of a component is the square root of what it was."""
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(3000, 1))
    features = np.hstack([shared, shared, rng.normal(size=(3000, 1))])
    mapped = fit_plain(features).transform(features)
    normal = norm.ppf(np.linspace(0.5, 255.5, 1000) / 256).std()
    assert mapped.shape == (3000, 2)
    assert mapped.std(axis=0) ** 2 == pytest.approx([2**0.5 * normal, normal], rel=0.05)
    assert np.corrcoef(mapped.T)[0, 1] == pytest.approx(0, abs=1e-9)


def test_the_space_of_a_sample_is_used_for_all(monkeypatch):
    features, genres = make_tracks(3000)
    whole, _ = embed_tracks(features, genres, "plain")
    monkeypatch.setattr(space, "FITTED_TRACKS", 1500)
    sampled, _ = embed_tracks(features, genres, "plain")
    one, other = whole @ whole.T, sampled @ sampled.T
    assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.99


def test_chunks_have_no_seams(monkeypatch):
    features, genres = make_tracks(700)
    expected, _ = embed_tracks(features, genres, "learned")
    monkeypatch.setattr(space, "TRACKS_AT_A_TIME", 96)
    assert np.allclose(embed_tracks(features, genres, "learned")[0], expected, atol=1e-6)


@pytest.mark.parametrize("metric", ["plain", "learned"])
def test_the_same_tracks_give_the_same_bytes(metric):
    features, genres = make_tracks(700)
    first, _ = embed_tracks(features, genres, metric)
    assert embed_tracks(features, genres, metric)[0].tobytes() == first.tobytes()
    assert embed_tracks(np.asfortranarray(features), genres, metric)[0].tobytes() == first.tobytes()


def test_learning_brings_unseen_tracks_nearer_to_their_genre():
    features, genres = make_tracks(1200, apart=0.35)
    labels = np.array(genres)
    found = {}
    for metric in ("plain", "learned"):
        fitted = fit_space(features[:800], genres[:800], metric)
        closeness = fitted.transform(features[800:]) @ fitted.transform(features[:800]).T
        nearest = np.argsort(-closeness, axis=1)[:, :10]
        found[metric] = precision_at_10(nearest, labels[:800], labels[800:])
    assert found["learned"] > found["plain"] + 0.02
    assert fitted.description == {
        "metric": "learned", "columns": 12, "dims": 14, "labelled_tracks": 800,
        "genres": ["genre 0", "genre 1", "genre 2", "genre 3"],
    }  # fmt: skip


def test_too_few_labelled_tracks_leave_the_plain_space_and_it_says_so():
    features, genres = make_tracks(700)
    plain, _ = embed_tracks(features, genres, "plain")
    few = [genre if place < 400 else None for place, genre in enumerate(genres)]
    one = ["genre 0"] * 690 + ["rare"] * 10
    for labels, because in (
        (few, "400 tracks of 4 genres"),
        (one, "690 tracks of 1 genres"),
        (no_genres(features), "0 tracks of 0 genres"),
    ):
        vectors, description = embed_tracks(features, labels, "learned")
        assert vectors.tobytes() == plain.tobytes()
        assert (description["metric"], description["asked"]) == ("plain", "learned")
        assert because in description["because"]


def test_tracks_without_a_genre_or_with_a_rare_one_have_a_place_too():
    features, genres = make_tracks(900)
    labels = [*genres[:600], *["rare"] * 10, *[None] * 290]
    vectors, description = embed_tracks(features, labels, "learned")
    assert description["labelled_tracks"] == 600
    assert "rare" not in description["genres"]
    own = np.array(genres)
    nearest, _ = search_exact(vectors, 10)
    assert precision_at_10(nearest[610:], own, own[610:]) > 0.9


def test_discriminants_point_from_mean_to_mean():
    """Fisher's worked case: equal covariances, so the direction is covariance^-1 (m1 - m0)."""
    rng = np.random.default_rng(0)
    covariance = np.array([[2.0, 0.0], [0.0, 0.5]])
    labels = np.repeat([0, 1], 4000)
    rows = rng.multivariate_normal([0, 0], covariance, 8000) + labels[:, None] * [1.0, 1.0]
    axes = find_discriminants(rows - rows.mean(axis=0), labels)
    assert axes.shape == (2, 1)
    assert axes[1, 0] / axes[0, 0] == pytest.approx(2.0 / 0.5, rel=0.1)
    apart = (rows @ axes)[labels == 0]
    assert apart.std() == pytest.approx(1, rel=0.05)


def test_bad_input_is_refused():
    features, genres = make_tracks(20)
    with pytest.raises(BadInput, match="no metric 'euclid'"):
        fit_space(features, genres, "euclid")
    with pytest.raises(BadInput, match="20 tracks and 19 genres"):
        fit_space(features, genres[:19], "plain")
    with pytest.raises(BadInput, match="0 tracks"):
        fit_space(features[:0], [], "plain")
    fitted = fit_space(features, genres, "plain")
    features[[4, 9], 2] = np.nan
    with pytest.raises(BadInput, match=r"2 of 20 tracks .* row 4"):
        fit_space(features, genres, "plain")
    with pytest.raises(BadInput, match="not finite"):
        fitted.transform(features)
