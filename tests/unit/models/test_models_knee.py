import json

import numpy as np
import pytest

from nocturne.models.knee import locate_knee

# 100/x falls and bends at 2 to 3; read from the other end or upside down, it bends alike.
FALLING = [100.0, 40.0, 20.0, 15.0, 12.0, 10.0, 9.0, 8.0, 7.5, 7.0]
PLACES = list(range(len(FALLING)))
SHAPES = {
    ("convex", "decreasing"): (FALLING, 2),
    ("convex", "increasing"): (FALLING[::-1], 7),
    ("concave", "increasing"): ([-y for y in FALLING], 2),
    ("concave", "decreasing"): ([-y for y in FALLING[::-1]], 7),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_each_shape_bends_where_it_does(shape):
    y, place = SHAPES[shape]
    assert locate_knee(PLACES, y, *shape) == place


@pytest.mark.parametrize("shape", SHAPES)
def test_units_and_uneven_steps_do_not_matter(shape):
    y, place = SHAPES[shape]
    scaled = [1e6 + 250.0 * value for value in y]
    assert locate_knee([1000 + 7 * x for x in PLACES], scaled, *shape) == place
    thinned = [x for x in PLACES if x not in (4, 5)]
    found = locate_knee(thinned, [y[x] for x in thinned], *shape)
    assert found is not None
    assert thinned[found] == place


@pytest.mark.parametrize(
    ("x", "y"),
    [
        ([2, 3, 4, 5], [3.0, 3.0, 3.0, 3.0]),
        ([2, 3, 4, 5], [4.0, 3.0, 2.0, 1.0]),
        ([2], [1.0]),
        ([], []),
        ([2, 3], [2.0, 1.0]),
    ],
)
def test_what_does_not_bend_has_no_knee(x, y):
    assert locate_knee(x, y, "convex", "decreasing") is None


TWO_BENDS = [100.0, 60.0, 58.0, 56.0, 54.0, 12.0, 8.0, 6.0, 4.0, 2.0, 0.0]


def test_of_two_bends_the_first_is_taken_or_the_last():
    places = list(range(len(TWO_BENDS)))
    assert locate_knee(places, TWO_BENDS, "convex", "decreasing") == 1
    assert locate_knee(places, TWO_BENDS, "convex", "decreasing", last=True) == 5


def test_a_bend_must_stand_out_by_the_sensitivity():
    """Each mean step of x that is asked for more, a fall must go on longer."""
    x = np.linspace(0, 1, 21)
    found = [locate_knee(x, x**0.5, "concave", "increasing", s) for s in (0, 1, 4, 6)]
    assert found == [5, 5, 5, None]


@pytest.mark.real_data
def test_the_published_cases_of_kneed_are_answered_alike(real_data):
    cases = json.loads((real_data / "conformance/elbow_knee/kneed_cases.json").read_text("utf-8"))
    assert len(cases) == 11
    for case in cases:
        how = case["params"]
        place = locate_knee(
            case["x"], case["y"], how["curve"], how.get("direction", "increasing"),
            how.get("S", 1.0), last=how.get("online", False),
        )  # fmt: skip
        found = None if place is None else case["x"][place]
        if case["expected_knee"] is None:
            assert found is None, case["name"]
        else:
            close = pytest.approx(case["expected_knee"], rel=case["rel_tol"])
            assert found == close, case["name"]
            assert found == pytest.approx(case["knee_kneed"], rel=1e-9), case["name"]
