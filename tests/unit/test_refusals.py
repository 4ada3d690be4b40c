import pytest
from hypothesis import given
from hypothesis import strategies as st

from nocturne.errors import BadInput, TooManyRefusals
from nocturne.refusals import Refusal, read_refusals, require_few, write_refusals

LINE_SEPARATORS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"
TEXT = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from(LINE_SEPARATORS))
REFUSALS = st.lists(st.builds(Refusal, TEXT, TEXT, TEXT, TEXT), max_size=8)


@given(REFUSALS)
def test_refusals_are_read_as_they_were_written_in_sorted_order(tmp_path_factory, refusals):
    path = tmp_path_factory.getbasetemp() / "refusals.jsonl"
    write_refusals(path, refusals)
    assert read_refusals(path) == sorted(refusals)


def test_a_reason_with_line_separators_stays_one_line(tmp_path):
    refusal = Refusal("tracks.csv", "17", "no_title", f"The title is {LINE_SEPARATORS!s}.")
    write_refusals(tmp_path / "refusals.jsonl", [refusal])
    assert (tmp_path / "refusals.jsonl").read_bytes().count(b"\n") == 1
    assert read_refusals(tmp_path / "refusals.jsonl") == [refusal]


def test_the_same_refusals_in_any_order_give_the_same_bytes(tmp_path):
    refusals = [Refusal(source, key, "r", "é") for source in ("b", "a") for key in ("2", "10")]
    write_refusals(tmp_path / "one", refusals)
    write_refusals(tmp_path / "other", reversed(refusals))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()
    assert "é" in (tmp_path / "one").read_text("utf-8"), "for people, not escaped"


def test_no_refusals_are_an_empty_file(tmp_path):
    write_refusals(tmp_path / "none", [])
    assert (tmp_path / "none").read_bytes() == b""
    assert read_refusals(tmp_path / "none") == []


@pytest.mark.parametrize(
    ("refused", "total", "limit"), [(0, 0, 0), (0, 9, 0), (2, 10, 0.2), (10, 10, 1), (1, 3, 0.34)]
)
def test_up_to_the_limit_is_few(refused, total, limit):
    require_few(refused, total, limit, "files")


@pytest.mark.parametrize(("refused", "total", "limit"), [(1, 9, 0), (3, 10, 0.29), (10, 10, 0.99)])
def test_above_the_limit_is_too_many_and_never_retried(refused, total, limit):
    with pytest.raises(TooManyRefusals, match=f"{refused} of {total} files") as failed:
        require_few(refused, total, limit, "files")
    assert isinstance(failed.value, BadInput)
    assert "NOCTURNE_MAX_REFUSED_SHARE" in str(failed.value)
