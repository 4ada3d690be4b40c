"""Charts as shapes that the templates draw: bars, a wheel of pitches, curves over k.

Coordinates are those of an SVG, with y downwards.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 640, 240
LEFT, RIGHT, TOP, BOTTOM = 52, 14, 14, 30
BAR_SHARE = 0.62
"""So much of its place a bar fills."""
STEPS = (1, 2, 2.5, 5, 10)


@dataclass(frozen=True)
class Tick:
    """A line of the grid: where it is, and what it says."""

    at: float
    text: str


@dataclass(frozen=True)
class Bar:
    """`low` and `high` are the ends of its whisker, which is a standard deviation each way."""

    label: str
    x: float
    y: float
    width: float
    height: float
    middle: float
    low: float
    high: float
    said: str


@dataclass(frozen=True)
class BarChart:
    bars: list[Bar]
    ticks: list[Tick]
    zero: float
    width: int = WIDTH
    height: int = HEIGHT


@dataclass(frozen=True)
class Petal:
    """A sector of a wheel; its label stands at (x, y)."""

    label: str
    path: str
    x: float
    y: float
    said: str


@dataclass(frozen=True)
class Wheel:
    petals: list[Petal]
    size: int
    rings: list[float]


@dataclass(frozen=True)
class Point:
    x: float
    y: float
    said: str


@dataclass(frozen=True)
class Mark:
    """A value of k that stands out, by name."""

    name: str
    x: float
    y: float


@dataclass(frozen=True)
class Curve:
    """`lines` are polylines: there is a gap where a value is missing."""

    lines: list[str]
    points: list[Point]
    marks: list[Mark]
    across: list[Tick]
    upwards: list[Tick]
    width: int = WIDTH
    height: int = HEIGHT


def choose_ticks(low: float, high: float, about: int = 4) -> list[float]:
    """Round numbers, evenly spaced, from `low` or below it to `high` or above it."""
    span = (high - low) or abs(high) or 1.0
    rough = span / about
    power = 10 ** math.floor(math.log10(rough))
    step = next(step * power for step in STEPS if step * power >= rough * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(number * step, 10) for number in range(first, max(last, first + 1) + 1)]


def shorten(value: float) -> str:
    """As few signs as an axis has room for."""
    if abs(value) >= 1e6:
        return f"{value / 1e6:g} M"
    return f"{value / 1e3:g} k" if abs(value) >= 1e4 else f"{value:g}"


def scale(value: float, low: float, high: float, start: float, end: float) -> float:
    share = (value - low) / (high - low)
    return round(start + share * (end - start), 2)


def draw_bars(
    labels: Sequence[str], means: Sequence[float], deviations: Sequence[float]
) -> BarChart:
    """A bar from zero for each mean, with a whisker of a deviation each way."""
    rows = list(zip(labels, means, deviations, strict=True))
    ticks = choose_ticks(
        min(0.0, *(mean - deviation for _, mean, deviation in rows)),
        max(0.0, *(mean + deviation for _, mean, deviation in rows)),
    )

    def height_of(value: float) -> float:
        return scale(value, ticks[0], ticks[-1], HEIGHT - BOTTOM, TOP)

    place = (WIDTH - LEFT - RIGHT) / len(rows)
    zero = height_of(0.0)
    bars = [
        Bar(
            label=label,
            x=round(LEFT + place * (number + (1 - BAR_SHARE) / 2), 2),
            y=min(zero, height_of(mean)),
            width=round(place * BAR_SHARE, 2),
            height=round(abs(height_of(mean) - zero), 2),
            middle=round(LEFT + place * (number + 0.5), 2),
            low=height_of(mean - deviation),
            high=height_of(mean + deviation),
            said=f"{label}: {mean:.3g} ± {deviation:.3g}",
        )
        for number, (label, mean, deviation) in enumerate(rows)
    ]
    return BarChart(bars, [Tick(height_of(tick), shorten(tick)) for tick in ticks], zero)


def draw_wheel(labels: Sequence[str], values: Sequence[float], size: int = 320) -> Wheel:
    """A sector for each value, clockwise from the top; its radius is the value's share of 1.

    Values beyond 0 and 1 are cut off.
    """
    centre, inner, outer = size / 2, size * 0.08, size * 0.41
    angle = 2 * math.pi / len(labels)

    def at(turn: float, radius: float) -> tuple[float, float]:
        return (
            round(centre + radius * math.sin(turn), 2),
            round(centre - radius * math.cos(turn), 2),
        )

    def radius_of(value: float) -> float:
        return inner + (outer - inner) * min(max(value, 0.0), 1.0)

    petals = []
    for number, (label, value) in enumerate(zip(labels, values, strict=True)):
        middle = number * angle
        ends = (middle - 0.46 * angle, middle + 0.46 * angle)
        radius = round(radius_of(value), 2)
        (ax, ay), (bx, by) = at(ends[0], inner), at(ends[0], radius)
        (cx, cy), (dx, dy) = at(ends[1], radius), at(ends[1], inner)
        path = (
            f"M{ax} {ay}L{bx} {by}A{radius} {radius} 0 0 1 {cx} {cy}"
            f"L{dx} {dy}A{inner} {inner} 0 0 0 {ax} {ay}Z"
        )
        x, y = at(middle, outer + size * 0.05)
        petals.append(Petal(label, path, x, y, f"{label}: {value:.2f}"))
    return Wheel(petals, size, [round(radius_of(share), 2) for share in (0.5, 1.0)])


def draw_curve(
    points: Sequence[tuple[int, float | None]],
    marked: Mapping[str, int | None],
    from_zero: bool = False,
) -> Curve | None:
    """Values over k with the marked ones; None if there is nothing to draw."""
    ordered = sorted(points)
    values = [value for _, value in ordered if value is not None]
    if not values:
        return None
    ticks = choose_ticks(0.0 if from_zero else min(values), max(values))
    first, last = ordered[0][0], ordered[-1][0]
    margin = 0.5 if first == last else 0.0

    def place(k: int) -> float:
        return scale(k, first - margin, last + margin, LEFT + 14, WIDTH - RIGHT - 14)

    def height_of(value: float) -> float:
        return scale(value, ticks[0], ticks[-1], HEIGHT - BOTTOM, TOP)

    drawn = {
        k: Point(place(k), height_of(value), f"k = {k}: {value:.4g}")
        for k, value in ordered
        if value is not None
    }
    return Curve(
        lines=join_points([(k, drawn.get(k)) for k, _ in ordered]),
        points=list(drawn.values()),
        marks=[
            Mark(name, drawn[k].x, drawn[k].y)
            for name, k in marked.items()
            if k is not None and k in drawn
        ],
        across=[Tick(place(k), str(k)) for k, _ in thin_out(ordered)],
        upwards=[Tick(height_of(tick), shorten(tick)) for tick in ticks],
    )


def join_points(row: Sequence[tuple[int, Point | None]]) -> list[str]:
    """Polylines of the points that stand next to each other."""
    lines: list[list[Point]] = [[]]
    for _, point in row:
        if point is None:
            lines.append([])
        else:
            lines[-1].append(point)
    return [" ".join(f"{point.x},{point.y}" for point in line) for line in lines if line]


def thin_out(
    row: Sequence[tuple[int, float | None]], most: int = 16
) -> Sequence[tuple[int, float | None]]:
    """So few that their labels have room."""
    return row[:: math.ceil(len(row) / most)]


def share_out(seconds: Sequence[float], least: float = 0.02) -> list[float]:
    """Shares of a strip, none so small that it cannot be seen; they add up to 1."""
    total = sum(seconds) or 1.0
    shares = [max(one / total, least) for one in seconds]
    return [round(share / sum(shares), 4) for share in shares]
