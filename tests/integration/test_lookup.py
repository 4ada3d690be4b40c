"""Reading recommendations from the live version."""

import pytest

from nocturne.errors import BadInput
from nocturne.recommend.lookup import Catalogue, Recommendation, SimilarTracks
from nocturne.store.collections import ensure_collections
from nocturne.store.versions import note_version, open_candidate, publish, write_table

pytestmark = pytest.mark.integration
NAMES = {
    "2": ("Food", "AWOL"),
    "3": ("Electric Ave", "AWOL"),
    "10": ("Hyperballad", "Björk"),
    "11": ("Hyperballad", "Cover Band"),
    "20": ("This World", "AWOL"),
}


def store_tracks(database, names):
    """Bare tracks: only what looking up reads, so without the validator."""
    database["songs"].insert_many(
        {"_id": track_id, "metadata": {"title": title, "artist_name": artist}, "features": [1.0]}
        for track_id, (title, artist) in names.items()
    )


def make_live(database, version, track_ids):
    """A version in which every track's neighbours are the others, in the order given."""
    rows = [
        {
            "_id": f"{version}/{own}",
            "version": version,
            "track_id": own,
            "cluster": 1,
            "similar": [
                {
                    "track_id": other,
                    "score": 1 - place / 10,
                    "cluster": 1,
                    "reason": "close in sound",
                }
                for place, other in enumerate(other for other in track_ids if other != own)
            ],
        }
        for own in track_ids
    ]
    candidate = {"data_date": version[:10], "run_id": "run-1", "state": "checked", "inputs": {}}
    open_candidate(database, version, candidate)
    tables = {"similar_tracks": write_table(database, "similar_tracks", rows)}
    note_version(database, version, {"tables": tables})
    assert publish(database.client, database.name, version)


@pytest.fixture
def empty(database):
    ensure_collections(database)
    store_tracks(database, NAMES | {"99": ("Never published", "Nobody")})
    return Catalogue(database, "songs")


@pytest.fixture
def catalogue(empty):
    make_live(empty.database, "2026-11-19.a", list(NAMES))
    return empty


def test_similar_tracks_come_nearest_first_with_titles(catalogue):
    assert catalogue.similar("3", 2) == SimilarTracks(
        version="2026-11-19.a",
        track_id="3",
        title="Electric Ave",
        artist="AWOL",
        cluster=1,
        similar=[
            Recommendation("2", "Food", "AWOL", 1.0, "close in sound"),
            Recommendation("10", "Hyperballad", "Björk", 0.9, "close in sound"),
        ],
    )


def test_no_more_are_given_than_there_are(catalogue):
    assert len(catalogue.similar("3", 100).similar) == 4


def test_a_track_that_is_not_in_the_live_version_is_bad_input(catalogue):
    for track_id in ("99", "unknown", ""):
        with pytest.raises(BadInput, match=f"Track {track_id} is not in .* 2026-11-19.a"):
            catalogue.similar(track_id, 3)


def test_a_reader_follows_the_pointer(catalogue):
    make_live(catalogue.database, "2026-11-20.b", ["2", "20"])
    found = catalogue.similar("2", 5)
    assert (found.version, [item.track_id for item in found.similar]) == ("2026-11-20.b", ["20"])
    with pytest.raises(BadInput, match="not in the live version"):
        catalogue.similar("3", 5)


def test_a_few_tracks_are_spread_over_the_version(catalogue):
    assert [item.track_id for item in catalogue.some(2, 1)] == ["10", "2"]
    assert [item.track_id for item in catalogue.some(5, 1)] == ["10", "11", "2", "20", "3"]
    assert [item.track_id for item in catalogue.some(50, 1)] == ["10", "11", "2", "20", "3"]
    assert [len(item.similar) for item in catalogue.some(3, 2)] == [2, 2, 2]


def test_a_song_is_found_by_title_and_artist_misspelt_or_not(catalogue):
    meant = {
        ("Food", None): "2",
        ("food", None): "2",
        ("Elektric Av", None): "3",
        ("electric  AVE!", "awol"): "3",
        ("Hyperballad", "Björk"): "10",
        ("Hyperbalad", "Bjork"): "10",
        ("Hyperballad", "Cover Band"): "11",
        ("Hyper ballad", "The Cover Band"): "11",
    }
    assert {asked: catalogue.find_track(*asked) for asked in meant} == meant


def test_of_songs_of_one_title_it_is_always_the_same(catalogue):
    assert {catalogue.find_track("Hyperballad", None) for _ in range(5)} == {"10"}


def test_a_song_that_is_not_there_is_bad_input_with_the_nearest(catalogue):
    for song, artist in [("Zzyzx", None), ("Zzyzx", "Quux"), ("?!", None)]:
        with pytest.raises(
            BadInput, match=r"No track is called .*The nearest: .+ \(\d+\)"
        ) as caught:
            catalogue.find_track(song, artist)
        assert song in str(caught.value)
    with pytest.raises(BadInput, match=r"The nearest: .*Electric Ave \(3\)"):
        catalogue.find_track("electrocuted giraffe", None)


def test_a_song_that_was_never_published_is_not_found(catalogue):
    with pytest.raises(BadInput, match="No track is called 'Never published'"):
        catalogue.find_track("Never published", None)


def test_before_the_first_publishing_everything_says_so(empty):
    for ask in (
        empty.live,
        lambda: empty.similar("2", 3),
        lambda: empty.some(2, 3),
        lambda: empty.find_track("Food", None),
    ):
        with pytest.raises(BadInput, match="Nothing has been published yet"):
            ask()
