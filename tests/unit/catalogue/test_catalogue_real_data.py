"""Landing FMA's own files, with the damage that they have."""

import hashlib
import shutil
from datetime import UTC, datetime

import pandas as pd
import pytest

from nocturne.catalogue.fma import load_metadata
from nocturne.catalogue.land import land_library, read_catalogue, write_landed

pytestmark = pytest.mark.real_data
CLIPS = ["1645", "1652", "533", "534", "535", "536", "537", "559", "736"]


@pytest.fixture(scope="module")
def fma(real_data):
    return real_data / "fma"


@pytest.fixture(scope="module")
def landed(fma):
    return land_library(fma / "audio", fma / "metadata")


def test_the_nine_clips_land_with_their_metadata(fma, landed):
    tracks = landed.tracks.set_index("track_id")
    assert list(tracks.index) == CLIPS
    assert tracks.loc["533", "title"] == "Mango Tree"
    assert tracks.loc["533", "artist_name"] == "Chandeliers"
    assert tracks.loc["533", "top_genre_title"] == "Electronic"
    assert tracks.loc["533", "echonest_tempo"] == pytest.approx(105.913)
    assert tracks["echonest_tempo"].isna().sum() == 2
    for track_id, track in tracks.iterrows():
        content = (fma / "audio" / f"{track_id}.mp3").read_bytes()
        assert track["audio_sha256"] == hashlib.sha256(content).hexdigest()


def test_no_row_is_refused_and_those_without_audio_are_kept_apart(landed):
    assert landed.refusals == []
    assert len(landed.without_audio) == 1991
    assert (landed.rows_read, landed.files_found) == (2000, 9)


def test_every_row_is_usable_once_it_has_audio(fma, tmp_path):
    """All 2,000 rows, 16 of them without album, 5 without genres, 296 dated by year alone."""
    for track_id in load_metadata(fma / "metadata").tracks.frame["track_id"]:
        (tmp_path / f"{int(track_id):06}.mp3").touch()
    landed = land_library(tmp_path, fma / "metadata")
    assert (landed.refusals, landed.without_audio) == ([], [])
    tracks = landed.tracks.set_index("track_id")
    assert len(tracks) == 2000
    assert tracks["album_id"].isna().sum() == 16
    assert tracks["genre_id"].isna().sum() == 5
    assert tracks["top_genre_title"].isna().sum() == 5
    assert tracks["date_created"].dt.year.min() == 2008
    assert tracks["date_created"].notna().all()
    assert tracks.loc["3451", "album_title"].endswith("12/5/2006?€?")
    assert not tracks["title"].str.contains("&amp;").any()


def test_a_night_before_the_last_clips_sees_fewer(fma):
    landed = land_library(
        fma / "audio", fma / "metadata", datetime(2008, 11, 26, 2, 30, tzinfo=UTC)
    )
    assert landed.tracks["track_id"].tolist() == CLIPS[2:]
    assert (landed.refusals, landed.files_found) == ([], 7)


def test_fma_layout_gives_the_same_tracks(fma, landed, tmp_path):
    (tmp_path / "000").mkdir()
    for path in (fma / "audio").iterdir():
        shutil.copyfile(path, tmp_path / "000" / f"{int(path.stem):06}.mp3")
    same = land_library(tmp_path, fma / "metadata").tracks
    columns = [name for name in same.columns if name != "audio_path"]
    pd.testing.assert_frame_equal(same[columns], landed.tracks[columns])


def test_it_is_written_and_read_back(landed, tmp_path):
    write_landed(landed, tmp_path / "landed")
    pd.testing.assert_frame_equal(read_catalogue(tmp_path / "landed"), landed.tracks)
