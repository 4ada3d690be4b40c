"""What is shown steers no terminal and forges no line."""

import io
import json
import logging
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nocturne import console
from nocturne.plain_text import clean_logs, plain_json, plain_lines, plain_output, plain_text

HOSTILE = "\x1b[31mred\x07\r\nnocturne: done\u202eexe.3pm\u2028\x9b2J\udcff"


STEERING = set("\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c")


def is_harmless(text):
    kinds = set(map(unicodedata.category, text))
    return not kinds & {"Cc", "Zl", "Zp", "Cs"} and not STEERING & set(text)


@given(st.text(st.characters(codec=None)))
def test_no_text_has_anything_left_that_is_obeyed(text):
    assert is_harmless(plain_text(text))
    assert is_harmless(plain_json(json.dumps(text, ensure_ascii=False)))
    plain_text(text).encode()


@given(st.text(st.characters(codec=None)))
def test_json_says_the_same(text):
    assert json.loads(plain_json(json.dumps(text, ensure_ascii=False))) == text


@pytest.mark.parametrize(
    "text", ["", "Señorita Niebla", "夜の音楽", "👩‍🎤 live", "می‌خواهم", "÷ (2011)"]
)
def test_what_people_write_stays(text):
    assert plain_text(text) == plain_lines(text) == plain_output(text) == text


def test_lines_that_come_from_elsewhere_are_seen_to():
    assert plain_lines("a\nnocturne: forged") == "a\n  nocturne: forged"
    assert plain_output("a\n\x1bb\tc") == "a\n\\x1bb    c"


def test_whatever_the_console_prints_is_plain(monkeypatch, capsys):
    shown = io.StringIO()
    for name in ("out", "err"):
        monkeypatch.setattr(console, name, console.Console(file=shown, soft_wrap=True))
    console.say(HOSTILE)
    console.print_error(ValueError(HOSTILE))
    item = {"title": HOSTILE, "artist": HOSTILE, "track_id": HOSTILE, "reason": HOSTILE, "score": 1}
    console.print_similar([{**item, "cluster": 1, "similar": [item]}])
    letter = dict.fromkeys(("rule", "error", "run_id", "begins", "key"), HOSTILE)
    letter |= {"partition": 0, "offset": 1, "replayed": False, "sent_at": HOSTILE, "bytes": 3}
    console.print_letters(HOSTILE, [letter])
    console.print_tokens([{"name": HOSTILE, "user_id": HOSTILE, "made_at": "now"}])
    lines = shown.getvalue().split("\n")
    assert all(map(is_harmless, lines))
    assert not [line for line in lines if line.startswith("nocturne: done")]
    console.print_json({HOSTILE: HOSTILE})
    assert is_harmless(capsys.readouterr().out.replace("\n", ""))


def test_what_nocturne_logs_is_plain():
    factory, stream = logging.getLogRecordFactory(), io.StringIO()
    handler = logging.StreamHandler(stream)
    ours, theirs = logging.getLogger("nocturne.test.plain"), logging.getLogger("others.plain")
    for logger in (ours, theirs):
        logger.addHandler(handler)
        logger.propagate = False
    try:
        clean_logs()
        clean_logs()
        ours.warning("A file: %s", HOSTILE.replace("\udcff", ""))
        theirs.warning("100 %% of %s", "\x1b")
        assert logging.makeLogRecord({"name": "nocturne.x", "msg": "made %s"}).msg == "made %s"
    finally:
        logging.setLogRecordFactory(factory)
    first, second, third = stream.getvalue().splitlines()
    assert is_harmless(first + second)
    assert second.startswith("  nocturne: done")
    assert third == "100 % of \x1b"
