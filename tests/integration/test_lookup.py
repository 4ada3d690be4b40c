"""Reading recommendations from the live version."""

import pytest

from nocturne.errors import BadInput
from nocturne.recommend.anybody import ANYBODY
from nocturne.recommend.lookup import Catalogue, ForListener, Recommendation, SimilarTracks
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


def make_live(database, version, track_ids, **more):
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
                    "reason": "close in timbre",
                }
                for place, other in enumerate(other for other in track_ids if other != own)
            ],
        }
        for own in track_ids
    ]
    publish_tables(database, version, {"similar_tracks": rows} | more)


def publish_tables(database, version, tables):
    candidate = {"data_date": version[:10], "run_id": "run-1", "state": "checked", "inputs": {}}
    open_candidate(database, version, candidate)
    written = {
        table: write_table(database, table, version, sorted(rows, key=lambda row: row["_id"]))
        for table, rows in tables.items()
    }
    note_version(database, version, {"tables": written})
    assert publish(database.client, database.name, version)


def make_list(version, user_id, basis, track_ids):
    """A row of for_you, in which each track is there because of the one before it."""
    return {
        "_id": f"{version}/{user_id}",
        "version": version,
        "user_id": user_id,
        "basis": basis,
        "items": [
            {
                "track_id": track_id,
                "score": 2 - place / 10,
                "cluster": 1,
                "because": None,
                "reason": "popular with other listeners",
            }
            for place, track_id in enumerate(track_ids)
        ],
    }


def list_ids(found):
    return [item.track_id for item in found.items]


@pytest.fixture
def empty(database):
    ensure_collections(database)
    store_tracks(database, NAMES | {"99": ("Never published", "Nobody")})
    return Catalogue(database, "songs")


@pytest.fixture
def catalogue(empty):
    """The live version has a list for ann and one for anybody."""
    version = "2026-11-19.a"
    lists = [
        make_list(version, ANYBODY, "popularity", ["2", "3", "10"]),
        make_list(version, "ann", "taste", ["20", "11", "2"]),
    ]
    make_live(empty.database, version, list(NAMES), for_you=lists)
    return empty


def test_similar_tracks_come_nearest_first_with_titles(catalogue):
    assert catalogue.similar("3", 2) == SimilarTracks(
        version="2026-11-19.a",
        track_id="3",
        title="Electric Ave",
        artist="AWOL",
        cluster=1,
        similar=[
            Recommendation("2", "Food", "AWOL", 1.0, "close in timbre"),
            Recommendation("10", "Hyperballad", "Björk", 0.9, "close in timbre"),
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


def test_a_listener_gets_their_own_list(catalogue):
    assert catalogue.for_listener("ann", 2) == ForListener(
        version="2026-11-19.a",
        user_id="ann",
        known=True,
        basis="taste",
        items=[
            Recommendation("20", "This World", "AWOL", 2.0, "popular with other listeners"),
            Recommendation("11", "Hyperballad", "Cover Band", 1.9, "popular with other listeners"),
        ],
    )


def test_a_list_is_as_long_as_asked_or_as_there_is(catalogue):
    assert [len(catalogue.for_listener("ann", n).items) for n in (0, 1, 3, 99)] == [0, 1, 3, 3]


@pytest.mark.parametrize("user_id", ["bob", "Ann", "ann ", "an", "2026-11-19.a"])
def test_a_listener_whom_the_version_does_not_know_gets_anybodys_list(catalogue, user_id):
    found = catalogue.for_listener(user_id, 5)
    assert (found.user_id, found.known, found.basis) == (user_id, False, "popularity")
    assert list_ids(found) == ["2", "3", "10"]


def test_a_track_that_has_left_the_library_keeps_its_place(catalogue):
    catalogue.tracks.delete_one({"_id": "11"})
    gone = catalogue.for_listener("ann", 3).items[1]
    assert (gone.track_id, gone.title, gone.artist) == ("11", "(no longer in the library)", "")
    assert "11" in [item.track_id for item in catalogue.similar("2", 9).similar]


def test_a_version_of_an_older_nocturne_has_no_lists(catalogue):
    make_live(catalogue.database, "2026-11-20.b", ["2", "20"])
    with pytest.raises(BadInput, match=r"2026-11-20\.b has no lists for listeners"):
        catalogue.for_listener("ann", 3)


def test_a_reader_of_lists_follows_the_pointer(catalogue):
    version = "2026-11-20.b"
    lists = [make_list(version, user_id, "content", ["3"]) for user_id in (ANYBODY, "zoe")]
    make_live(catalogue.database, version, ["2", "3"], for_you=lists)
    assert [catalogue.for_listener(user_id, 3).known for user_id in ("zoe", "ann")] == [True, False]
    assert list_ids(catalogue.for_listener("ann", 3)) == ["3"]


@pytest.mark.parametrize(("at_once", "parts"), [(2, 3), (4, 2), (5, 1), (100, 1)])
def test_titles_come_in_parts(catalogue, at_once, parts):
    version = catalogue.live()
    found = list(catalogue.read_tracks(version, at_once))
    assert len(found) == parts
    assert all(len(part) <= at_once for part in found)
    titles = {track.track_id: (track.title, track.artist) for part in found for track in part}
    assert titles == NAMES
    assert len(catalogue.list_tracks(version)) == len(titles)


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
    assert {asked: catalogue.find_track(*asked).track_id for asked in meant} == meant


def test_of_songs_of_one_title_it_is_always_the_same(catalogue):
    found = {catalogue.find_track("Hyperballad", None) for _ in range(5)}
    assert [meant.track_id for meant in found] == ["10"]


def test_a_guess_says_so(catalogue):
    sure = [("food", None), ("hyperballad", "BJORK")]
    assert [catalogue.find_track(*asked).guess for asked in sure] == ["", ""]
    guess = catalogue.find_track("Fod", "AWOL").guess
    assert guess == "Which song is 'Fod' by 'AWOL'? Guessed: Food by AWOL (2)."
    assert catalogue.find_track("Hyperballad", None).guess.endswith(
        "Others: Hyperballad by Cover Band (11)."
    )


def test_a_title_inside_another_is_not_the_song_asked_for(catalogue):
    for asked in [("Food for Thought", None), ("Hyperballad", "The Beatles"), ("World", "AWOL")]:
        with pytest.raises(BadInput, match="No track is called"):
            catalogue.find_track(*asked)


def test_a_song_that_is_not_there_is_bad_input_with_the_nearest(catalogue):
    for song, artist in [("Zzyzx", None), ("Zzyzx", "Quux"), ("?!", None)]:
        with pytest.raises(
            BadInput, match=r"No track is called .*The nearest: .+ \(\d+\)"
        ) as caught:
            catalogue.find_track(song, artist)
        assert song in str(caught.value)
    with pytest.raises(BadInput, match=r"The nearest: .*Electric Ave by AWOL \(3\)"):
        catalogue.find_track("electrocuted giraffe", None)


def test_a_song_that_was_never_published_is_not_found(catalogue):
    with pytest.raises(BadInput, match="No track is called 'Never published'"):
        catalogue.find_track("Never published", None)


def test_before_the_first_publishing_everything_says_so(empty):
    for ask in (
        empty.live,
        lambda: empty.similar("2", 3),
        lambda: empty.some(2, 3),
        lambda: empty.for_listener("ann", 3),
        lambda: empty.find_track("Food", None),
    ):
        with pytest.raises(BadInput, match="Nothing has been published yet"):
            ask()
