"""Events keep the contract of user_activity and show the tastes that were planted."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nocturne.sample.catalogue import list_good_tracks
from nocturne.sample.genres import GENRES
from nocturne.sample.listening import write_listening

LAST_DAY = date(2026, 1, 31)
END = datetime(2026, 2, 1, tzinfo=UTC)
FIELDS = ["schema", "event_id", "user_id", "track_id", "action", "at", "ms_played"]
TRACKS = {str(track.track_id): track for track in list_good_tracks(LAST_DAY, 11)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("sample") / "listening"
    write_listening(made, list(TRACKS.values()), LAST_DAY)
    return made


@pytest.fixture(scope="module")
def events(folder: Path) -> pd.DataFrame:
    """The events with `moment` (parsed) and the track's `genre` beside their fields."""
    lines = (folder / "user_activity.jsonl").read_text("utf-8").splitlines()
    table = pd.DataFrame([json.loads(line) for line in lines])
    moment = pd.to_datetime(table["at"], format="%Y-%m-%dT%H:%M:%S.%fZ", utc=True)
    genre = table["track_id"].map(lambda track_id: GENRES[TRACKS[track_id].genre].name)
    return table.assign(moment=moment, genre=genre)


@pytest.fixture(scope="module")
def tastes(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "listeners.csv", index_col="user_id").drop(columns="name")


def test_fields_are_those_of_the_contract(folder: Path, events: pd.DataFrame) -> None:
    lines = (folder / "user_activity.jsonl").read_text("utf-8").splitlines()
    assert all(list(json.loads(line)) == FIELDS for line in lines)
    assert events["schema"].eq(1).all()
    assert events["event_id"].is_unique
    assert set(events["action"]) == {"listen", "like", "skip", "hide"}
    assert events["user_id"].nunique() == 40
    assert events["ms_played"].between(1, 12_000).all()


def test_events_are_ordered_and_fill_the_two_weeks(events: pd.DataFrame) -> None:
    assert events["moment"].is_monotonic_increasing
    assert (events["moment"] < END).all()
    assert (events["moment"] >= END - timedelta(days=14)).all()
    assert events["moment"].dt.date.nunique() == 14


def test_nobody_hears_a_track_before_it_came(events: pd.DataFrame) -> None:
    started = events["moment"] - pd.to_timedelta(events["ms_played"], unit="ms")
    created = events["track_id"].map(lambda track_id: TRACKS[track_id].created)
    assert (started >= created).all()


def test_a_like_is_followed_by_the_listen_it_belongs_to(events: pd.DataFrame) -> None:
    started = events["moment"] - pd.to_timedelta(events["ms_played"], unit="ms")
    plays = set(zip(events["user_id"], events["track_id"], started, events["action"], strict=True))
    likes = [play[:3] for play in plays if play[3] == "like"]
    assert likes
    assert all((*like, "listen") in plays for like in likes)


def test_a_listener_plays_one_track_at_a_time(events: pd.DataFrame) -> None:
    ends = events[events["action"] != "like"].sort_values(["user_id", "moment"])
    started = ends["moment"] - pd.to_timedelta(ends["ms_played"], unit="ms")
    before = ends.groupby("user_id")["moment"].shift()
    assert (before.isna() | (started > before)).all()


def test_a_hidden_track_never_plays_again(events: pd.DataFrame) -> None:
    hides = events[events["action"] == "hide"]
    assert len(hides) > 10
    last = events.groupby(["user_id", "track_id"])["moment"].max()
    for row in hides.itertuples():
        assert last[row.user_id, row.track_id] == row.moment


def test_listens_reflect_the_planted_tastes(events: pd.DataFrame, tastes: pd.DataFrame) -> None:
    """Mean cosine of taste and share of listens; a stranger's taste gives the chance level."""
    listens = events[events["action"] == "listen"]
    shares = pd.crosstab(listens["user_id"], listens["genre"], normalize="index")
    heard = shares.loc[tastes.index, tastes.columns].to_numpy()
    planted = tastes.to_numpy()
    heard = heard / np.linalg.norm(heard, axis=1, keepdims=True)
    planted = planted / np.linalg.norm(planted, axis=1, keepdims=True)
    cosines = heard @ planted.T
    assert np.diag(cosines).mean() > 0.9
    assert cosines.mean() < 0.65


def test_what_is_off_taste_is_skipped_more(events: pd.DataFrame, tastes: pd.DataFrame) -> None:
    favourite = events["genre"] == events["user_id"].map(tastes.idxmax(axis=1))
    left = events["action"].isin(["skip", "hide"])
    assert left[favourite].mean() < 0.35 < 0.6 < left[~favourite].mean()


def test_the_same_day_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    write_listening(tmp_path / "again", list(TRACKS.values()), LAST_DAY)
    for name in ("listeners.csv", "user_activity.jsonl"):
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()
