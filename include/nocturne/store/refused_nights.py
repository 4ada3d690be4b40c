"""Nights that a gate refused one after the other, since the live version was made."""

from collections import Counter
from typing import Any

from pymongo import DESCENDING
from pymongo.database import Database

from nocturne.store.versions import REFUSED, STORED_STATES, live_version

Document = dict[str, Any]
# One refused night is what gates are for; what refuses two says something that will not pass.
FEWEST_IN_A_ROW = 2
MOST_LOOKED_AT = 366
SETTINGS = {
    "clusters.largest_share": "NOCTURNE_MAX_CLUSTER_SHARE",
    "clusters.stability": "NOCTURNE_MIN_STABILITY",
    "clusters.silhouette": "NOCTURNE_MAX_SILHOUETTE_DROP",
    "rows_kept": "NOCTURNE_MAX_ROWS_LOST",
    "ndcg@10.champion": "NOCTURNE_MAX_RANKING_DROP",
}
"""What an operator may raise or lower where the change is meant."""


def list_refused_nights(database: Database[Document]) -> list[Document]:
    """Refused versions of days after the live one's, the newest first, the last made of each day;
    none of a day that has a version which passed.
    """
    live = live_version(database)
    newer = {"data_date": {"$gt": live["data_date"]}} if live else {}
    order = [("data_date", DESCENDING), ("made_at", DESCENDING)]
    fields = ["data_date", "state", "verdicts"]
    last: dict[str, Document] = {}
    for model in database["models"].find(newer, fields).sort(order).limit(MOST_LOOKED_AT):
        last.setdefault(model["data_date"], model)
    in_a_row: list[Document] = []
    for model in last.values():
        if model["state"] in STORED_STATES:
            break
        if model["state"] == REFUSED:
            in_a_row.append(model)
    return in_a_row


def describe_refused_nights(database: Database[Document]) -> str | None:
    """What has refused several nights in a row and what an operator can do; None if nothing has."""
    nights = list_refused_nights(database)
    if len(nights) < FEWEST_IN_A_ROW:
        return None
    rules = Counter(
        verdict["rule"]
        for night in nights
        for verdict in night.get("verdicts") or []
        if not verdict["passed"]
    )
    live = live_version(database)
    stays = f"{live['version']} is still live" if live else "nothing is live"
    counted = ", ".join(f"{rule} ({times})" for rule, times in rules.most_common())
    return (
        f"{len(nights)} nights in a row were refused, {nights[-1]['data_date']} to"
        f" {nights[0]['data_date']}; {stays}. By: {counted}. {advise(list(rules))}"
    )


def advise(rules: list[str]) -> str:
    settings = [SETTINGS[rule] for rule in rules if rule in SETTINGS]
    advice = "The page of each version says why; mend what it names"
    if settings:
        advice += f", or, if the change is meant, relax {' and '.join(settings)} for a night"
    return f"{advice}, then clear check_candidate and what follows."
