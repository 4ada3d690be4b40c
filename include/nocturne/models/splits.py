"""Splits of interactions into what models learn from, are tuned on and are judged by."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nocturne.errors import BadInput, Misuse
from nocturne.models.interactions import Interactions

FEWEST_ITEMS = 3  # one for each part; who has fewer is learnt from alone
TENTH = 10
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Split:
    """Masks over the interactions; each interaction is in exactly one part."""

    train: Mask
    validation: Mask
    test: Mask


def split_by_user(interactions: Interactions, seed: int) -> Split:
    """8:1:1 of each user's items at random, as RecBole's ratio split by user.

    A tenth is rounded down, but is at least one; users with fewer than three items stay wholly in
    `train`. Depends on the names alone, not on the order of rows in a file. Raises BadInput if all
    users have fewer.
    """
    return split_by_lots(interactions, np.random.default_rng(seed).random(len(interactions.user)))


def split_by_lots(interactions: Interactions, lots: NDArray[Any]) -> Split:
    """As `split_by_user`, with a given lot for each interaction: the lowest of a user's are held
    out.
    """
    user = interactions.user
    counts = np.bincount(user, minlength=len(interactions.users))
    order = np.lexsort((lots, user))
    place = np.empty(len(user), dtype=np.intp)
    place[order] = np.arange(len(user)) - (np.cumsum(counts) - counts)[user[order]]
    tenth = np.where(counts < FEWEST_ITEMS, 0, np.maximum(counts // TENTH, 1))[user]
    if not tenth.any():
        raise BadInput(
            f"No user has {FEWEST_ITEMS} items or more: nothing can be held out. Give more"
            " interactions."
        )
    test, held_out = place < tenth, place < 2 * tenth
    return Split(~held_out, held_out & ~test, test)


def split_by_time(interactions: Interactions) -> Split:
    """The oldest 80 % of interactions, the next 10 %, the newest 10 %, cut at the same two moments
    for all users.

    What happened at a moment of cutting is in the later part, so parts may be larger or smaller;
    `validation` may even be empty. Raises Misuse without timestamps, BadInput if too many are equal
    for anything to be left to learn from.
    """
    at = interactions.at
    if at is None:
        raise Misuse("A split by time needs timestamps, and the interactions have none.")
    ordered = np.sort(at)
    tenth = max(len(at) // TENTH, 1)
    first, second = ordered[-min(2 * tenth, len(at))], ordered[-tenth]
    train, test = at < first, at >= second
    if not train.any():
        raise BadInput(
            f"{len(at)} interactions with {len(np.unique(at))} different timestamps cannot be split"
            " by time: none would be left to learn from. Split them by user, or give more."
        )
    return Split(train, ~train & ~test, test)
