"""The metadata reads as FMA's does, and the library grows towards its last day."""

import ast
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pytest

from nocturne.sample.catalogue import FAULTY_TRACK_IDS, list_faulty_tracks, list_good_tracks
from nocturne.sample.metadata import write_metadata
from nocturne.sample.names import ALBUMS, ARTISTS, LISTENERS, TITLES

LAST_DAY = date(2026, 1, 31)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("sample") / "metadata"
    write_metadata(made, list_good_tracks(LAST_DAY, 11) + list_faulty_tracks(LAST_DAY))
    return made


@pytest.fixture(scope="module")
def tracks(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "raw_tracks.csv", index_col="track_id")


def test_there_are_66_good_tracks_and_four_faulty_ones(tracks: pd.DataFrame) -> None:
    assert tracks.index.is_unique
    assert len(tracks.index.difference(list(FAULTY_TRACK_IDS))) == 66
    assert len(tracks) == 70


def test_dates_have_the_format_of_fma(tracks: pd.DataFrame) -> None:
    pattern = r"\d\d/\d\d/\d{4} (0[1-9]|1[0-2]):[0-5]\d:[0-5]\d [AP]M"
    assert tracks["track_date_created"].str.fullmatch(pattern).all()


def test_two_thirds_are_old_and_the_rest_comes_night_by_night(tracks: pd.DataFrame) -> None:
    created = pd.to_datetime(tracks["track_date_created"], format="%m/%d/%Y %I:%M:%S %p").dt.date
    assert (created.loc[created.index.isin(FAULTY_TRACK_IDS)] < LAST_DAY - timedelta(30)).all()
    good = created.loc[~created.index.isin(FAULTY_TRACK_IDS)]
    recent = good[good >= LAST_DAY - timedelta(30)]
    assert len(recent) == 22
    assert set(recent) == {LAST_DAY - timedelta(days) for days in range(21)}


def test_dates_are_those_of_the_tracks(tracks: pd.DataFrame) -> None:
    created = pd.to_datetime(tracks["track_date_created"], format="%m/%d/%Y %I:%M:%S %p")
    for track in list_good_tracks(LAST_DAY, 11):
        assert created[track.track_id] == track.created.replace(tzinfo=None)


def test_genre_lists_lead_to_six_roots_of_the_tree(folder: Path, tracks: pd.DataFrame) -> None:
    genres = pd.read_csv(folder / "genres.csv", index_col="genre_id")
    lists = tracks["track_genres"].map(ast.literal_eval)
    roots = lists.map(lambda row: {genres.loc[int(g["genre_id"]), "top_level"] for g in row})
    assert (roots.map(len) == 1).all()
    assert len(set.union(*roots)) == 6
    counted = lists.explode().map(lambda genre: int(genre["genre_id"])).value_counts()
    assert counted.to_dict() == genres["#tracks"].to_dict()
    titles = {int(g["genre_id"]): g["genre_title"] for row in lists for g in row}
    assert titles == genres["title"].to_dict()


def test_every_album_and_artist_that_a_track_names_is_there(
    folder: Path, tracks: pd.DataFrame
) -> None:
    albums = pd.read_csv(folder / "raw_albums.csv", index_col="album_id")
    artists = pd.read_csv(folder / "raw_artists.csv", index_col="artist_id")
    assert len(albums) == len(artists) == 24
    assert (albums.loc[tracks["album_id"], "album_title"].values == tracks["album_title"]).all()
    assert (artists.loc[tracks["artist_id"], "artist_name"].values == tracks["artist_name"]).all()
    assert albums["album_tracks"].sum() == len(tracks)


def test_titles_are_unique_and_partly_not_ascii(tracks: pd.DataFrame) -> None:
    assert tracks["track_title"].is_unique
    assert not tracks["track_title"].map(str.isascii).all()
    assert tracks["track_duration"].eq("00:12").all()
    assert tracks["license_title"].eq("CC0 1.0 (synthesised)").all()


def test_there_are_names_for_all() -> None:
    assert [len(names) for names in (ARTISTS, ALBUMS, TITLES)] == [6, 6, 6]
    assert {len(names) for names in ARTISTS + ALBUMS} == {4}
    assert {len(names) for names in TITLES} == {11}
    assert len(set(LISTENERS)) == 40
