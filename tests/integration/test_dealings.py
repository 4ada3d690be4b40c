"""What listeners did, counted from the collection of events."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from bson.int64 import Int64

from nocturne.recommend.dealings import COLUMNS, hash_rows, read_dealings, to_ratings
from nocturne.store.collections import ensure_collections

pytestmark = pytest.mark.integration
NIGHT_END = datetime(2026, 11, 20, 2, tzinfo=UTC)
TRACKS = ["1", "2", "10"]


@pytest.fixture
def hear(database):
    """Store events (user, track, action, moment), in their order."""
    ensure_collections(database)

    def store(*events):
        number = database["listens"].count_documents({})
        for offset, (user_id, track_id, action, at) in enumerate(events, number):
            database["listens"].insert_one(
                {
                    "_id": f"event-{offset}",
                    "user_id": user_id,
                    "track_id": track_id,
                    "action": action,
                    "at": at,
                    "ms_played": 12000,
                    "source": {
                        "topic": "user_activity",
                        "partition": 0,
                        "offset": Int64(offset),
                        "sent_at": at,
                    },
                }
            )

    return store


def ago(**time):
    return NIGHT_END - timedelta(**time)


EVENTS = (
    ("bob", "2", "listen", ago(days=3)),
    ("ann", "2", "listen", ago(days=2)),
    ("ann", "2", "like", ago(days=2, seconds=-5)),
    ("ann", "2", "listen", ago(days=9)),
    ("ann", "10", "skip", ago(days=1)),
    ("ann", "10", "skip", ago(days=4)),
    ("bob", "1", "hide", ago(hours=1)),
)


def read(database, before=NIGHT_END, items=TRACKS):
    return read_dealings(database, before, items)


def test_events_are_counted_by_listener_and_track(database, hear):
    hear(*EVENTS)
    dealings = read(database)
    assert list(dealings.columns) == COLUMNS
    assert dealings.to_numpy().tolist() == [
        ["ann", "10", 0, 0, 2, 0, pd.Timestamp(ago(days=1))],
        ["ann", "2", 2, 1, 0, 0, pd.Timestamp(ago(days=2, seconds=-5))],
        ["bob", "1", 0, 0, 0, 1, pd.Timestamp(ago(hours=1))],
        ["bob", "2", 1, 0, 0, 0, pd.Timestamp(ago(days=3))],
    ]
    assert to_ratings(dealings)["weight"].tolist() == pytest.approx(
        [-1, np.log(6), -2, np.log(2)]
    )  # fmt: skip


def test_what_comes_at_the_end_of_the_night_or_later_is_not_seen(database, hear):
    hear(*EVENTS)
    before = hash_rows(read(database))
    last_moment = timedelta(milliseconds=1)
    hear(("ann", "2", "hide", NIGHT_END), ("zoe", "1", "listen", NIGHT_END + timedelta(days=1)))
    assert hash_rows(read(database)) == before
    hear(("zoe", "1", "listen", NIGHT_END - last_moment))
    assert hash_rows(read(database)) != before
    assert len(read(database, before=ago(days=3))) == 2


def test_tracks_that_are_not_known_are_dropped(database, hear):
    hear(*EVENTS, ("ann", "gone", "listen", ago(days=1)))
    assert sorted(read(database)["item"].unique()) == ["1", "10", "2"]
    assert read(database, items=iter(["10"]))["user"].tolist() == ["ann"]


def test_the_order_in_which_events_came_changes_nothing(database, hear):
    hear(*EVENTS)
    before = read(database)
    database["listens"].delete_many({})
    hear(*reversed(EVENTS))
    pd.testing.assert_frame_equal(read(database), before)
    assert hash_rows(read(database)) == hash_rows(before)


def test_nobody_has_done_anything(database, hear, tmp_path):
    dealings = read(database)
    assert (len(dealings), list(dealings.columns)) == (0, COLUMNS)
    assert to_ratings(dealings).empty
    dealings.to_parquet(tmp_path / "dealings.parquet", index=False)
    assert list(pd.read_parquet(tmp_path / "dealings.parquet").columns) == COLUMNS
    hear(("ann", "gone", "listen", ago(days=1)))
    assert read(database).empty
