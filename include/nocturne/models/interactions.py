"""Interactions: who listened to what, how much and when, read from files as people have them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from nocturne.errors import BadInput
from nocturne.models.interaction_rows import NAMES, Table, find_column, read_columns

Places = dict[str, int]
"""Where in a row the columns user, item, count and timestamp are; the last two may be missing."""

# From 2000 to 2100 in seconds: a third column without a header, all inside, is a time.
EPOCH_SECONDS = (946_684_800, 4_102_444_800)
NANOSECONDS = {1e11: 10**9, 1e14: 10**6, 1e17: 10**3, float("inf"): 1}
"""How many make one unit of an epoch below a limit: seconds, milli-, micro-, nanoseconds."""


UNIT_NAMES = {1e9: "seconds", 1e6: "milliseconds", 1e3: "microseconds", 1: "nanoseconds"}
ROWS_NAMED = 5
"""So many lines show an operator where to look."""


@dataclass(frozen=True, eq=False)
class Interactions:
    """Pairs of a user and an item, each once, sorted by user and then by item.

    `users` and `items` are names, sorted; `user` and `item` index them. `weight` > 0 is the sum
    over what was given for the pair, `at` the newest of its times (ns since 1970, UTC) or None.
    Users and items of nothing but zero counts are not in it: those rows are left out, and
    `zero_counts` says how many. `columns` are the file's columns by our names (see
    read_interactions), empty if it was not a file.
    """

    users: list[str]
    items: list[str]
    user: NDArray[np.intp]
    item: NDArray[np.intp]
    weight: NDArray[np.float64]
    at: NDArray[np.int64] | None
    zero_counts: int
    columns: dict[str, str]

    def to_matrix(self, mask: NDArray[np.bool_], *, weighted: bool = False) -> csr_matrix:
        """The chosen pairs as (users, items), of ones or of weights, float64."""
        values = self.weight[mask] if weighted else np.ones(np.count_nonzero(mask))
        shape = (len(self.users), len(self.items))
        return csr_matrix((values, (self.user[mask], self.item[mask])), shape=shape)


def gather(
    users: Sequence[str],
    items: Sequence[str],
    weights: NDArray[np.float64],
    at: NDArray[np.int64] | None,
    columns: dict[str, str] | None = None,
) -> Interactions:
    """Interactions from parallel columns in any order, with weights ≥ 0.

    Raises BadInput if none has a weight above zero, or if a pair's sum is not finite.
    """
    kept = weights > 0
    if not kept.any():
        raise BadInput(f"There are no interactions: of {len(kept)} rows, none has a count above 0.")
    user, user_names = pd.factorize(np.array(users, dtype=object)[kept], sort=True)
    item, item_names = pd.factorize(np.array(items, dtype=object)[kept], sort=True)
    # Weights are in the order, too: sums of floats depend on it.
    order = np.lexsort((weights[kept], item, user))
    user, item = user[order], item[order]
    first = np.flatnonzero(np.diff(user, prepend=-1) | np.diff(item, prepend=-1))
    with np.errstate(over="ignore"):  # said below
        weight = np.add.reduceat(weights[kept][order], first)
    if not np.isfinite(weight).all():
        raise BadInput("The counts of a pair add up to more than a number can hold.")
    newest = None if at is None else np.maximum.reduceat(at[kept][order], first)
    return Interactions(
        users=list(user_names),
        items=list(item_names),
        user=user[first].astype(np.intp),
        item=item[first].astype(np.intp),
        weight=weight,
        at=newest,
        zero_counts=int(np.count_nonzero(~kept)),
        columns=columns or {},
    )


def read_interactions(path: Path) -> Interactions:
    """The interactions of a text file `user, item[, count][, timestamp]`; a row without a count is
    one.

    UTF-8, plain or gzip. The separator is what SEPARATORS has and splits the first rows most
    evenly. A first row with a name for users or items is a header: it chooses the columns, others
    are ignored. Without one, columns go by position, and a third one that holds nothing but times
    is the timestamp. Times are ISO 8601 (UTC where no zone is said) or epochs in s, ms, µs or ns.

    Raises Misuse if there is no such file, BadInput with the line if a row cannot be meant so.
    """
    table = read_columns(path)
    places = place_by_position(table) if table.header is None else place_by_name(table)
    for name in ("user", "item"):
        if "" in table.columns[places[name]]:
            table.refuse(table.columns[places[name]].index(""), f"the {name} is empty")
    header = table.header or [str(place + 1) for place in range(len(table.columns))]
    users, items = table.columns[places["user"]], table.columns[places["item"]]
    counts = read_counts(table, places["count"]) if "count" in places else np.ones(len(users))
    times = read_times(table, places["timestamp"]) if "timestamp" in places else None
    columns = {name: header[place] for name, place in places.items()}
    try:
        return gather(users, items, counts, times, columns)
    except BadInput as error:
        raise BadInput(f"{path}: {error}") from error


def place_by_name(table: Table) -> Places:
    header = table.header or []
    found = {name: find_column(header, name) for name in NAMES}
    for name in ("user", "item"):
        if found[name] is None:
            raise BadInput(
                f"{table.path}: the header {', '.join(header)} names no {name}. Call the columns"
                " user, item and, if there are any, count and timestamp."
            )
    return {name: place for name, place in found.items() if place is not None}


def place_by_position(table: Table) -> Places:
    width = len(table.columns)
    if width > len(NAMES):
        raise BadInput(
            f"{table.path} has {width} columns and no header. Add one that names user, item and, if"
            " there are any, count and timestamp."
        )
    names = ["count", "timestamp"]
    if width > 2 and hold_times(table.columns[2]):
        names.reverse()
    return {name: place for place, name in enumerate(["user", "item", *names][:width])}


def hold_times(cells: Sequence[str]) -> bool:
    numbers = to_numbers(cells)
    if np.isnan(numbers).all():
        return not np.isnat(parse_iso(cells)).any()
    seconds = numbers * (nanoseconds_of(numbers) / 1e9)  # each by its own: mixed ones are refused
    return bool(((seconds >= EPOCH_SECONDS[0]) & (seconds < EPOCH_SECONDS[1])).all())


def read_counts(table: Table, place: int) -> NDArray[np.float64]:
    texts = table.columns[place]
    counts = to_numbers(texts)
    wrong = ~np.isfinite(counts) | (counts < 0)
    if wrong.any():
        row = int(np.argmax(wrong))
        table.refuse(row, f"the count {texts[row]!r} is not a number of 0 or more")
    return counts


def read_times(table: Table, place: int) -> NDArray[np.int64]:
    texts = table.columns[place]
    numbers = to_numbers(texts)
    if np.isnan(numbers).all():
        times = parse_iso(texts)
        wrong, at = np.isnat(times), times.view(np.int64)
    else:
        units = nanoseconds_of(numbers)
        require_one_unit(table, texts, numbers, units)
        scaled = numbers * units
        wrong = ~(np.isfinite(numbers) & (numbers >= 0) & (scaled < 2**63))
        at = np.where(wrong, 0, scaled).astype(np.int64)
    if wrong.any():
        row = int(np.argmax(wrong))
        reason = f"the timestamp {texts[row]!r} is neither ISO 8601 nor an epoch like the others"
        table.refuse(row, reason)
    return at


def to_numbers(texts: Sequence[str]) -> NDArray[np.float64]:
    """NaN where a text is not a number."""
    return pd.to_numeric(pd.Series(texts, dtype=object), errors="coerce").to_numpy(np.float64)


def nanoseconds_of(epochs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Nanoseconds in the unit of each epoch, told from its size."""
    limits = np.array(list(NANOSECONDS)[:-1])
    units = np.array(list(NANOSECONDS.values()), dtype=np.float64)
    chosen: NDArray[np.float64] = units[np.searchsorted(limits, epochs, side="right")]
    return chosen


def require_one_unit(
    table: Table, texts: Sequence[str], epochs: NDArray[np.float64], units: NDArray[np.float64]
) -> None:
    """Refuse the first time of a unit that fewer times have; 0 and less are the same in all."""
    told = np.isfinite(epochs) & (epochs > 0)
    found, counts = np.unique(units[told], return_counts=True)
    if len(found) < 2:
        return
    usual = found[counts.argmax()]
    odd = np.flatnonzero(told & (units != usual))
    others = int(np.flatnonzero(told & (units == usual))[0])
    lines = ", ".join(str(table.lines[row]) for row in odd[:ROWS_NAMED].tolist())
    row = int(odd[0])
    table.refuse(
        row,
        f"the timestamp {texts[row]!r} is in {UNIT_NAMES[units[row]]}, {texts[others]!r} in line"
        f" {table.lines[others]} in {UNIT_NAMES[usual]}; one file has one unit of time, and"
        f" {len(odd)} of {len(texts)} rows have another than most (lines {lines}"
        f"{', …' if len(odd) > ROWS_NAMED else ''})",
    )


def parse_iso(texts: Sequence[str]) -> NDArray[np.datetime64]:
    """datetime64[ns] in UTC; NaT where a text is not ISO 8601."""
    parsed = pd.to_datetime(pd.Series(texts, dtype=object), format="ISO8601", utc=True,
                            errors="coerce")  # fmt: skip
    return parsed.dt.tz_localize(None).to_numpy("datetime64[ns]")
