"""Titles and artists: when two of them are the same, or near."""

import re
from collections.abc import Sequence

from nocturne.recommend.spelling import compare_words, fold, split_words

# Below this similarity (0 to 100) a name is another name; above it, a misspelt one.
CLOSE_ENOUGH = 75
SAME = 100
LETTERS_TO_SPARE = 0.15
"""Of the longer title: a misspelt one is about as long; one that is longer by a word is another."""
ARTICLES = {"the", "a", "an", "der", "die", "das", "le", "la", "les", "el", "los"}
PARTNERS = re.compile(r"\s(?:feat\.?|ft\.?|featuring|with|and|x|vs\.?)\s|[,;/&+]", re.IGNORECASE)
DECORATION = re.compile(
    r"[\(\[](?:feat|ft|featuring|with|(?:\d{4} )?(?:digital(?:ly)? )?re-?master)\b[^)\]]*[\)\]]"
    r"|\s-\s(?:\d{4} )?(?:digital(?:ly)? )?re-?master(?:ed)?\b.*$|\s(?:feat|ft)\.\s.*$",
    re.IGNORECASE,
)
NAMELESS = {
    "", "unknown", "untitled", "unknownartist", "unknowntitle", "various", "variousartists", "va",
    "track", "audiotrack", "notitle", "noartist",
}  # fmt: skip
"""Of such names many recordings are called."""


def name_recording(title: str, artist: str) -> tuple[str, str] | None:
    """What two copies of one recording have in common, however their names are written; None where
    names tell nothing.
    """
    plain = DECORATION.sub("", title)
    names = join_name(plain), join_name(artist)
    numbered = names[0].rstrip("0123456789") in NAMELESS and not names[0].isdecimal()
    return None if numbered or names[1] in NAMELESS else names


def join_name(text: str) -> str:
    return "".join(drop_article(split_words(fold(text))))


def drop_article(words: list[str]) -> list[str]:
    return words[1:] if len(words) > 1 and words[0] in ARTICLES else words


def compare_titles(asked: str, title: str) -> float:
    """0 to 100; below CLOSE_ENOUGH where length or numbers do not agree."""
    one, other = (split_words(fold(text)) for text in (asked, title))
    if one == other:
        return float(SAME)
    one, other = drop_article(one), drop_article(other)
    found = compare_words(one, other)
    lengths = sorted((len("".join(one)), len("".join(other))))
    near = lengths[1] - lengths[0] <= max(1, LETTERS_TO_SPARE * lengths[1])
    agree = near and list_numbers(one) == list_numbers(other)
    return round(found if agree else min(found, CLOSE_ENOUGH - 1), 1)


def list_numbers(words: list[str]) -> list[str]:
    return re.findall(r"\d+", " ".join(words))


def compare_artists(asked: Sequence[str], artist: str) -> float:
    """The best of the artists asked for and of those that play: one who agrees is enough."""
    pairs = ((one, other) for one in list_partners(asked) for other in list_partners([artist]))
    return round(max((compare_words(*pair) for pair in pairs), default=0.0), 1)


def list_partners(artists: Sequence[str]) -> list[list[str]]:
    """Each artist as words: all of them as one name, and each alone."""
    texts = [
        " ".join(artists),
        *artists,
        *(part for one in artists for part in PARTNERS.split(one)),
    ]
    found = [drop_article(split_words(fold(text))) for text in dict.fromkeys(texts)]
    return [words for words in found if words]


def compare_songs(title: float, artist: float) -> float:
    """Of similarities of title and artist: both must agree."""
    found = (title + artist) / 2
    return round(found if min(title, artist) >= CLOSE_ENOUGH else min(found, CLOSE_ENOUGH - 1), 1)
