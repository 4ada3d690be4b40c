"""Names as they are compared: without case, marks and width, and in which letters they are near.

Scripts that put no spaces between words are compared letter by letter, and so are signs.
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

from rapidfuzz import fuzz
from rapidfuzz.distance import OSA

SPECIAL = str.maketrans(
    {"æ": "ae", "œ": "oe", "þ": "th", "ð": "d", "\u0131": "i", "ŋ": "ng", "ĸ": "k"}
)
VARIATIONS = "\ufe0e\ufe0f"
"""They say how other signs look."""
UNSPACED = (
    "\u0e00-\u0eff\u0f00-\u109f\u1100-\u11ff\u1780-\u17ff\u3005-\u30ff\u3130-\u318f\u31f0-\u31ff"
    "\u3400-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff"
)
"""Thai to Burmese, Khmer, Kana, Hangul, Han: words begin anywhere."""
MARKS = "\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0900-\u0dff"
WORD = rf"(?:[^\W_]|[{MARKS}])"
RUN = re.compile(rf"[{UNSPACED}]+|(?:(?![{UNSPACED}]){WORD})+|[^\s]")
IS_UNSPACED = re.compile(f"[{UNSPACED}]")
IS_WORD = re.compile(WORD)
STROKED = re.compile(r"LATIN SMALL LETTER ([A-Z]) WITH ")
LOWEST_DROPPED, KEPT_BETWEEN = 10, range(84, 200)
"""Combining classes: points of Hebrew and Arabic and accents go; nuktas, voicing marks (below 10)
and the vowels of Thai to Tibetan are letters."""


def fold(text: str) -> str:
    """Small letters without accents, strokes and width, one space between words; nothing that
    cannot be seen.
    """
    text = "".join(letter for letter in text if letter.isprintable() or letter.isspace())
    if text.isascii():
        return " ".join(text.lower().split())
    plain = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", text).casefold())
    bare = "".join(map(fold_letter, plain)).translate(SPECIAL)
    return " ".join(unicodedata.normalize("NFC", bare).split())


@lru_cache(maxsize=10_000)
def fold_letter(letter: str) -> str:
    """Nothing for an accent; o for ø, as Unicode's names tell."""
    if letter.isascii():
        return letter
    combining = unicodedata.combining(letter)
    accent = combining >= LOWEST_DROPPED and combining not in KEPT_BETWEEN
    if accent or letter in VARIATIONS:
        return ""
    stroked = STROKED.match(unicodedata.name(letter, ""))
    return stroked[1].lower() if stroked else letter


def split_words(folded: str) -> list[str]:
    """Words of letters and digits; of a name without any, its signs."""
    runs: list[str] = RUN.findall(folded)
    words = [run for run in runs if IS_WORD.match(run) or IS_UNSPACED.match(run)]
    return words or ["".join(runs)] * bool(runs)


def split_letters(word: str) -> list[str]:
    """The letters of a word that may begin anywhere; else the word."""
    return list(word) if is_unspaced(word) else [word]


def is_unspaced(word: str) -> bool:
    """Signs, too, are looked for anywhere."""
    return bool(IS_UNSPACED.match(word)) or not IS_WORD.match(word)


def list_pieces(words: list[str]) -> Iterator[str]:
    """Three letters in a row, with a word's ends as two; of unspaced words each letter."""
    for word in words:
        if is_unspaced(word):
            yield from word
        else:
            padded = f"__{word}__"
            yield from (padded[at : at + 3] for at in range(len(padded) - 2))


def count_edits(asked: list[str], words: list[str]) -> int | None:
    """How many letters of the asked words differ from the words nearest to them, or from their
    beginnings; None if one of them is another word.
    """
    edits = 0
    for one in asked:
        most = most_edits(one)
        begun = [word[: len(one)] for word in words if len(word) > len(one)]
        found = min(
            (OSA.distance(one, word, score_cutoff=most) for word in [*words, *begun]),
            default=most + 1,
        )
        if found > most:
            return None
        edits += found
    return edits


def most_edits(word: str) -> int:
    """A letter that is wrong, missing, too much or exchanged with the next, in every three or so;
    none in two letters, which would be any others.
    """
    return 0 if len(word) < 3 else min((len(word) + 1) // 3, 3)


def compare_words(asked: list[str], words: list[str]) -> float:
    """0 to 100, in their order or in another, and with spaces elsewhere."""
    orders = (
        (" ".join(asked), " ".join(words)),
        (" ".join(sorted(asked)), " ".join(sorted(words))),
    )
    return max(*(fuzz.ratio(*pair) for pair in orders), fuzz.ratio("".join(asked), "".join(words)))
