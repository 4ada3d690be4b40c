"""Titles found while they are typed, and misspelt."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nocturne.recommend.titles import Titles, Track, choose_match


def widen(text):
    """In full-width letters and signs."""
    return text.translate({code: code + 0xFEE0 for code in range(ord("!"), ord("~") + 1)})


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
    Track("30", "High", "Feeder"),
    Track("31", "Hello", "Adele", 100),
    Track("32", "Łańcuch", "Snø"),
    Track("33", "÷", "Ed Sheeran"),
    Track("34", "🎵😀", "DJ 🎧"),
    Track("35", "Polar Night", "Moss Cathedral"),
    Track("36", "Let It Be", "The Beatles"),
    Track("37", "Prelude No. 1", "Bach"),
    Track("38", widen("WIDE Type"), widen("Full")),
    Track("39", "사랑해요", "아이유"),
    Track("40", "สวัสดีชาวโลก", "วง"),
    Track("41", "Polar Nights", "moss cathedral"),
    Track("42", "Polar NIGHT!", "The Moss Cathedral"),
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
    assert complete(titles, "u", 1) == ["24"]


def test_marks_and_case_do_not_matter(titles):
    assert complete(titles, "BJORK hyp") == ["10"]


@pytest.mark.parametrize(("typed", "track_id"), [("قصي", "20"), ("世界", "23"), ("script", "21")])
def test_every_script_is_found(titles, typed, track_id):
    assert complete(titles, typed) == [track_id]


def test_a_misspelt_title_is_found(titles):
    assert complete(titles, "hiperbalad")[:2] == ["10", "11"]


@pytest.mark.parametrize("typed", ["", " ", "*", "?!", "\0", "\ud800"])
def test_nothing_to_look_for_finds_nothing(titles, typed):
    assert complete(titles, typed) == []


@given(st.text(max_size=300))
def test_whatever_is_typed_is_a_question_not_a_command(typed):
    titles = Titles(TRACKS)
    assert len(titles.complete(typed, 3)) <= 3
    assert len(titles.match(typed, [typed], 3)) <= 3


def choose(titles, title, *artists):
    found = choose_match(titles.match(title, artists, 5))
    return found and found.track.track_id


def test_the_one_that_must_be_meant_is_chosen(titles):
    assert choose(titles, "Hyperbalad", "Björk") == "10"
    assert choose(titles, "food") == "2"
    assert choose(titles, "electric ave") == "3"
    assert choose(titles, "u") == "24"


def test_what_is_unclear_or_far_is_not_chosen(titles):
    assert choose(titles, "Hyperballad") is None
    assert choose(titles, "Something Else Entirely") is None


def test_candidates_come_with_their_similarity(titles):
    matches = titles.match("Hyperballad", [], 5)
    assert [(match.track.track_id, match.similarity) for match in matches[:2]] == [
        ("10", 100), ("11", 100),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("typed", "track_id"),
    [
        *[
            ("!!!", "22"),
            (widen("!!!"), "22"),
            ("÷", "33"),
            ("😀", "34"),
            ("🎧", "34"),
            ("🎵", "34"),
        ],
        *[("的な", "23"), ("な歌", "23"), ("랑해", "39"), ("ดีชาว", "40"), ("田", "23")],
    ],
)
def test_signs_and_letters_of_unspaced_scripts_are_found_anywhere(titles, typed, track_id):
    assert complete(titles, typed) == [track_id]


@pytest.mark.parametrize(
    ("typed", "track_id"),
    [("lancuch", "32"), ("sno", "32"), ("wide", "38"), (widen("wide"), "38"), ("full", "38")],
)
def test_strokes_and_width_do_not_matter(titles, typed, track_id):
    assert complete(titles, typed) == [track_id]


def misspell(name):
    """A letter left out, doubled, replaced and exchanged with the next, at every place."""
    for at in range(len(name)):
        yield name[:at] + name[at + 1 :]
        yield name[:at] + name[at] + name[at:]
        yield name[:at] + "q" + name[at + 1 :]
        yield name[:at] + name[at : at + 2][::-1] + name[at + 2 :]


@pytest.mark.parametrize(
    ("name", "track_id"),
    [
        *[("moss cathedral", "35"), ("electric feel", "4"), ("hyperballad", "10")],
        *[("food", "2"), ("feeder", "30"), ("adele", "31"), ("łańcuch", "32")],
    ],
)
def test_a_letter_may_be_wrong_anywhere_in_title_or_artist(titles, name, track_id):
    missed = [typed for typed in misspell(name) if track_id not in complete(titles, typed)]
    assert missed == []


@pytest.mark.parametrize(
    "asked",
    [
        ("Highway Star",),
        ("Hello Goodbye", "The Beatles"),
        ("Hello", "The Beatles"),
        ("Let It Be Me",),
        ("Prelude No. 2", "Bach"),
        ("÷÷÷",),
    ],
)
def test_a_title_inside_another_and_another_artist_are_not_it(titles, asked):
    assert choose(titles, *asked) is None


def test_one_of_several_artists_is_enough(titles):
    assert choose(titles, "Hyperballad", "Someone", "Björk") == "10"
    assert choose(titles, "Let it be", "Beatles feat. Someone") == "36"


def test_copies_of_one_recording_are_no_question(titles):
    assert choose(titles, "Polar Night", "Moss Cathedral") in {"35", "42"}


def test_what_is_written_otherwise_is_a_guess(titles):
    asked = [("Hyperbalad", "Björk"), ("HYPERBALLAD", "bjork")]
    found = [choose_match(titles.match(title, [artist], 5)) for title, artist in asked]
    assert [match.is_same for match in found] == [False, True]


def test_a_search_says_that_it_guessed(titles):
    asked = ("hyperballad", "hyperbalad", "zzyzx")
    assert [titles.search(typed, 5).guessed for typed in asked] == [False, True, False]
