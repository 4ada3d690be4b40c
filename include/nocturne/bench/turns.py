"""The order in which the ways of a bench have their turns."""

from collections.abc import Sequence
from typing import TypeVar

Way = TypeVar("Way")


def rotate(ways: Sequence[Way], turn: int) -> list[Way]:
    """The ways from another one on at each turn, counted from 0.

    None then always follows the same other one into caches, nor always meets a warm processor.
    """
    start = turn % len(ways)
    return [*ways[start:], *ways[:start]]
