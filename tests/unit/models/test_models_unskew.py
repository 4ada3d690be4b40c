import numpy as np
import pytest
from scipy.stats import skew
from sklearn.preprocessing import QuantileTransformer

from nocturne.models.unskew import (
    SKEWED,
    Column,
    apply_unskew,
    count_kinds,
    fit_unskew,
    read_unskew,
    to_normal,
    write_unskew,
)

RANDOM = np.random.default_rng(5)
TRACKS = 2000
COLUMNS = {
    "normal": (RANDOM.normal(40, 3, TRACKS), "as_is"),
    "two groups": (np.repeat([0.0, 10.0], [1500, 500]) + RANDOM.normal(0, 0.1, TRACKS), "quantile"),
    "two equal groups": (RANDOM.choice([0.0, 10.0], TRACKS), "as_is"),
    "lognormal": (RANDOM.lognormal(2, 3, TRACKS), "log"),
    "negative lognormal": (-RANDOM.lognormal(2, 1.5, TRACKS), "log"),
    "both signs": (RANDOM.gamma(0.3, 1, TRACKS) - 0.2, "quantile"),
    "mostly zero": (np.where(RANDOM.random(TRACKS) < 0.9, 0, RANDOM.random(TRACKS)), "quantile"),
    "level": (np.full(TRACKS, 0.1), "as_is"),
    "rounding errors": (0.1 + 1e-17 * np.r_[np.zeros(TRACKS - 1), 50], "as_is"),
}


@pytest.mark.parametrize(("values", "kind"), COLUMNS.values(), ids=COLUMNS)
def test_a_column_is_transformed_as_its_shape_asks(values, kind):
    assert [column.kind for column in fit_unskew(values[:, None])] == [kind]


@pytest.mark.parametrize("name", ["lognormal", "negative lognormal", "both signs", "two groups"])
def test_what_is_transformed_is_not_skewed_any_more_and_keeps_its_order(name):
    values = COLUMNS[name][0][:, None]
    found = apply_unskew(fit_unskew(values), values)
    assert abs(skew(values[:, 0])) > SKEWED
    assert abs(skew(found[:, 0])) < SKEWED
    rising = found[np.argsort(values[:, 0]), 0]
    assert (np.diff(rising) >= 0).all()


def test_the_order_of_the_tracks_changes_nothing():
    features = np.column_stack([values for values, _ in COLUMNS.values()])
    assert fit_unskew(features[RANDOM.permutation(TRACKS)]) == fit_unskew(features)


def test_quantiles_are_those_of_scikit_learn():
    """But for the outermost values, which it puts at 5.2 whatever the size of the sample."""
    values = np.sort(np.r_[RANDOM.gamma(0.5, 1, 400), np.zeros(100)])
    knots = tuple(np.quantile(values, np.linspace(0, 1, 100)))
    reference = QuantileTransformer(n_quantiles=100, output_distribution="normal")
    expected = reference.fit_transform(values[:, None])[:, 0]
    found = to_normal(values, knots)
    within = np.abs(expected) < 2.5
    assert within.sum() > 300
    np.testing.assert_allclose(found[within], expected[within], atol=1e-6)


def test_a_new_track_far_outside_is_as_far_out_as_the_outermost_known():
    knots = tuple(np.linspace(0, 1, 101) ** 3)
    low, middle, high = to_normal(np.array([-50.0, 0.125, 1e9]), knots)
    assert low == pytest.approx(-high)
    assert middle == pytest.approx(0)
    assert 2.5 < high < 2.6


def test_what_was_written_is_what_is_read(tmp_path):
    features = np.column_stack([values for values, _ in COLUMNS.values()])
    columns = fit_unskew(features)
    write_unskew(columns, tmp_path / "unskew.parquet")
    read = read_unskew(tmp_path / "unskew.parquet")
    assert read == columns
    assert apply_unskew(read, features).tobytes() == apply_unskew(columns, features).tobytes()


def test_kinds_are_counted():
    columns = [Column("log"), Column("as_is"), Column("log")]
    assert count_kinds(columns) == {"as_is": 1, "log": 2}
