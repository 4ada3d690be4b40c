"""Which tracks are copies of one recording."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nocturne.recommend.dealings import COLUMNS, merge_copies
from nocturne.recommend.recordings import find_copies


def make_tracks(*rows):
    """From (id, content, title, artist)."""
    return [
        {"_id": own, "audio_sha256": content, "metadata": {"title": title, "artist_name": artist}}
        for own, content, title, artist in sorted(rows)
    ]


def test_of_equal_contents_the_first_stands_for_all():
    rows = [(f"{number:02}", "same", f"Title {number}", "Ann") for number in range(20)]
    copies = find_copies(make_tracks(*rows, ("99", "other", "Else", "Ben")))
    assert copies == {f"{number:02}": "00" for number in range(1, 20)}


@pytest.mark.parametrize(
    ("title", "artist"),
    [
        *[("HELLO, World!", "Ann & Ben"), ("Hello World", "ann  ben"), ("Héllo wørld", "Ann Ben")],
        *[("Hello World (2011 Remaster)", "Ann Ben"), ("Hello World - Remastered 2011", "Ann Ben")],
        *[("Hello World (feat. Cy)", "Ann Ben"), ("The Hello World", "The Ann Ben")],
    ],
)
def test_names_that_are_written_otherwise_are_the_same(title, artist):
    tracks = make_tracks(("1", "a", "Hello World", "Ann Ben"), ("2", "b", title, artist))
    assert find_copies(tracks) == {"2": "1"}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("Hello", "Ann"), ("Hello", "Ben")),
        (("Part 1", "Ann"), ("Part 2", "Ann")),
        (("Part I", "Ann"), ("Part II", "Ann")),
        (("Hello", "Ann"), ("Hello (Live)", "Ann")),
        (("Hello", "Ann"), ("Hello (Remix)", "Ann")),
        (("Untitled", "Ann"), ("Untitled", "Ann")),
        (("Track 01", "Ann"), ("Track 01", "Ann")),
        (("Hello", "Unknown Artist"), ("Hello", "Unknown Artist")),
        (("", "Ann"), ("", "Ann")),
        (("!!!", "Ann"), ("???", "Ann")),
        (("歌", "山田"), ("世", "山田")),
    ],
)
def test_other_recordings_and_what_has_no_name_stay_apart(first, second):
    assert find_copies(make_tracks(("1", "a", *first), ("2", "b", *second))) == {}


def test_a_track_that_is_a_copy_of_two_joins_them():
    tracks = make_tracks(
        ("1", "a", "One", "Ann"), ("2", "b", "Two", "Ann"), ("3", "a", "Two", "Ann")
    )
    assert find_copies(tracks) == {"2": "1", "3": "1"}


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=30))
def test_each_copy_stands_behind_the_first_of_its_recording(pairs):
    rows = [(f"{n:02}", str(a), f"Song {b} {b}", "Ann") for n, (a, b) in enumerate(pairs)]
    copies = find_copies(make_tracks(*rows))
    first = {own: copies.get(own, own) for own, *_ in rows}
    for own, content, title, _ in rows:
        assert first[own] <= own
        assert first[first[own]] == first[own]
        for other, its_content, its_title, _ in rows:
            if content == its_content or title == its_title:
                assert first[own] == first[other]


def test_what_was_done_with_copies_was_done_with_one():
    early, late = pd.Timestamp("2026-11-01", tz="UTC"), pd.Timestamp("2026-11-02", tz="UTC")
    rows = [
        ("u", "a", 1, 0, 1, 0, late),
        ("u", "b", 2, 1, 0, 0, early),
        ("v", "b", 1, 0, 0, 1, late),
    ]
    table = pd.DataFrame(rows, columns=COLUMNS).astype({"user": "string", "item": "string"})
    merged = merge_copies(table, {"b": "a"})
    assert merged.to_numpy().tolist() == [
        ["u", "a", 3, 1, 1, 0, late],
        ["v", "a", 1, 0, 0, 1, late],
    ]
    assert merged.dtypes.tolist() == table.dtypes.tolist()
    assert merge_copies(table, {}) is table
    assert merge_copies(table[:0], {"b": "a"}).empty
