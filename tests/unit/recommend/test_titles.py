"""Titles found while they are typed, and misspelt."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nocturne.recommend.titles import Titles, Track, choose_match

TRACKS = [
    Track("2", "Food", "AWOL", 5),
    Track("3", "Electric Ave", "AWOL", 1),
    Track("4", "Electric Feel", "Someone", 9),
    Track("10", "Hyperballad", "Björk"),
    Track("11", "Hyperballad", "Cover Band"),
    Track("20", "قصيدة", "فيروز"),
    Track("21", "<script>alert(1)</script>", 'O"Hara'),
    Track("22", "!!!", "!!!"),
    Track("23", "世界的な歌", "山田"),
    Track("24", "U", "Me"),
]


@pytest.fixture(scope="module")
def titles():
    return Titles(TRACKS)


def complete(titles, typed, count=5):
    return [track.track_id for track in titles.complete(typed, count)]


def test_beginnings_of_words_are_enough_and_fame_comes_first(titles):
    assert complete(titles, "elec") == ["4", "3"]
    assert complete(titles, "awol el") == ["3"]
    assert complete(titles, "e", 1) == ["4"]


def test_marks_and_case_do_not_matter(titles):
    assert complete(titles, "BJORK hyp") == ["10"]


@pytest.mark.parametrize(("typed", "track_id"), [("قصي", "20"), ("世界", "23"), ("script", "21")])
def test_every_script_is_found(titles, typed, track_id):
    assert complete(titles, typed) == [track_id]


def test_a_misspelt_title_is_found(titles):
    assert complete(titles, "hiperbalad")[:2] == ["10", "11"]


@pytest.mark.parametrize("typed", ["", " ", "*", '"', "!!!", "\0"])
def test_nothing_to_look_for_finds_nothing(titles, typed):
    assert complete(titles, typed) == []


@given(st.text(max_size=300))
def test_whatever_is_typed_is_a_question_not_a_command(typed):
    titles = Titles(TRACKS)
    assert len(titles.complete(typed, 3)) <= 3
    assert len(titles.match(typed, typed, 3)) <= 3


def choose(titles, *asked):
    found = choose_match(titles.match(*asked, 5))
    return found and found.track_id


def test_the_one_that_must_be_meant_is_chosen(titles):
    assert choose(titles, "Hyperbalad", "Björk") == "10"
    assert choose(titles, "food", None) == "2"
    assert choose(titles, "electric ave", None) == "3"
    assert choose(titles, "u", None) == "24"


def test_what_is_unclear_or_far_is_not_chosen(titles):
    assert choose(titles, "Hyperballad", None) is None
    assert choose(titles, "Something Else Entirely", None) is None


def test_candidates_come_with_their_similarity(titles):
    matches = titles.match("Hyperballad", None, 5)
    assert [(match.track.track_id, match.similarity) for match in matches[:2]] == [
        ("10", 100), ("11", 100),
    ]  # fmt: skip
