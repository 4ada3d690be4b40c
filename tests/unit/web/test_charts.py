"""Charts as shapes."""

import math

import pytest

from nocturne.web.pages.charts import (
    BOTTOM,
    HEIGHT,
    TOP,
    choose_ticks,
    draw_bars,
    draw_curve,
    draw_wheel,
    share_out,
    shorten,
)


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0, 1, [0, 0.25, 0.5, 0.75, 1]),
        (0, 0, [0, 0.25]),
        (5, 5, [4, 6]),
        (-0.24, 0.23, [-0.4, -0.2, 0, 0.2, 0.4]),
        (0, 24_412, [0, 10_000, 20_000, 30_000]),
        (-233, 197, [-400, -200, 0, 200]),
    ],
)
def test_ticks_are_round_and_reach_beyond_the_values(low, high, ticks):
    assert choose_ticks(low, high) == ticks


def test_an_axis_has_short_numbers():
    assert [shorten(value) for value in (0, 0.25, -400, 9999, 30_000, 2.5e6)] == [
        "0", "0.25", "-400", "9999", "30 k", "2.5 M",
    ]  # fmt: skip


def test_bars_stand_on_zero_and_hang_from_it():
    chart = draw_bars(["up", "down"], [2.0, -1.0], [0.5, 0.0])
    up, down = chart.bars
    assert up.y + up.height == pytest.approx(chart.zero)
    assert down.y == chart.zero
    assert up.height == pytest.approx(2 * down.height, abs=0.02)
    assert up.high < up.y < up.low < chart.zero
    assert up.said == "up: 2 ± 0.5"
    assert TOP <= chart.ticks[-1].at < chart.ticks[0].at <= HEIGHT - BOTTOM


def test_bars_that_are_all_zero_can_be_drawn():
    assert [bar.height for bar in draw_bars(["a"], [0.0], [0.0]).bars] == [0.0]


def test_a_wheel_has_a_sector_for_each_value_within_its_rings():
    wheel = draw_wheel(["N", "E", "S", "W"], [1.0, 0.5, -3.0, 7.0], size=100)
    north, east, south, west = wheel.petals
    assert (north.x, east.y) == (50, 50)
    assert north.y < 50 < south.y
    assert west.x < 50 < east.x
    assert west.said == "W: 7.00"
    radius = float(west.path.split("A")[1].split()[0])
    assert math.isclose(radius, wheel.rings[-1], abs_tol=0.01), "cut off at 1"


def test_a_curve_rises_with_its_values_and_marks_what_is_chosen():
    curve = draw_curve([(4, 1.0), (2, 3.0), (3, 2.0)], {"knee": 3, "chosen": None, "other": 9})
    assert [point.said for point in curve.points] == ["k = 2: 3", "k = 3: 2", "k = 4: 1"]
    assert [point.y for point in curve.points] == sorted(point.y for point in curve.points)
    assert [(mark.name, mark.x) for mark in curve.marks] == [("knee", curve.points[1].x)]
    assert [tick.text for tick in curve.across] == ["2", "3", "4"]


def test_a_curve_has_a_gap_where_a_value_is_missing():
    curve = draw_curve([(2, 1.0), (3, None), (4, 1.0), (5, 2.0)], {})
    assert [len(line.split()) for line in curve.lines] == [1, 2]


@pytest.mark.parametrize("points", [[], [(2, None)]])
def test_there_is_no_curve_without_values(points):
    assert draw_curve(points, {"chosen": 2}) is None


def test_one_value_stands_in_the_middle():
    curve = draw_curve([(5, 0.4)], {"chosen": 5})
    assert curve.points[0].x == curve.marks[0].x
    assert 250 < curve.points[0].x < 390


def test_many_values_have_fewer_labels():
    curve = draw_curve([(k, float(k)) for k in range(2, 60)], {})
    assert len(curve.points) == 58
    assert len(curve.across) <= 16


def test_short_tenures_can_be_seen_too():
    shares = share_out([0.0, 1.0, 1_000_000.0])
    assert min(shares) > 0.01
    assert sum(shares) == pytest.approx(1, abs=1e-3)
    assert share_out([0.0]) == [1.0]
