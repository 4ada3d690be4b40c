"""From text to values: each rule of conversion in one place.

A value that is absent is null; a value that breaks its rule is null here too, and the contracts
tell the two apart by asking whether there was text.
"""

import ast
import html
import json
import re
import unicodedata
import warnings
from collections.abc import Callable
from typing import Any

import pandas as pd

DATE_DTYPE = pd.DatetimeTZDtype(unit="us", tz="UTC")

_INLINE = "a|abbr|b|big|cite|code|em|font|i|s|small|span|strike|strong|sub|sup|tt|u"
_BLOCK = (
    "address|blockquote|body|br|center|div|dd|dl|dt|embed|h[1-6]|head|hr|html|iframe|img|li|object"
    "|ol|p|param|pre|table|tbody|td|th|thead|tr|ul"
)
_ATTRIBUTES = r"""(?:\s(?:"[^"]*"|'[^']*'|[^<>"'])*)?/?"""
_UNSEEN = re.compile(
    r"<!--.{0,1000}?-->|<(script|style)\b[^<>]{0,200}>.{0,1000}?</\1\s*>", re.I | re.S
)
_INLINE_TAG = re.compile(rf"</?(?:{_INLINE}){_ATTRIBUTES}>", re.I)
_BLOCK_TAG = re.compile(rf"</?(?:{_BLOCK}){_ATTRIBUTES}>", re.I)
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_SPACE = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")
_SURROGATE = re.compile("[\ud800-\udfff]")

_WHOLE_NUMBER = re.compile(r"0*([0-9]+)(?:\.0+)?")
_SPOTIFY_ID = re.compile(r"spotify:track:[0-9A-Za-z]+")
_COUNT = re.compile(r"(-1|[0-9]{1,18})(?:\.0*)?")
_DURATION = re.compile(
    r"(?:(?:([0-9]{1,4}):)?([0-9]{1,4}):(?=[0-5][0-9](?:\.|$)))?([0-9]{1,7}(?:\.[0-9]*)?)"
)
_ISO_DATE = re.compile(
    r"[0-9]{4}(?:-[0-9]{2}(?:-[0-9]{2}(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?"
    r"(?:Z|[+-][0-9]{2}:?[0-9]{2})?)?)?)?"
)
_LONGEST_LIST_CHARACTERS = 20_000

Genre = tuple[str, str | None]
"""A genre's id, and its title where the list itself names it."""


def map_unique(values: pd.Series, convert: Callable[[str], Any], dtype: str) -> pd.Series:
    """Apply `convert` once to each distinct text; null stays null."""
    converted = {value: convert(value) for value in values.dropna().unique()}
    listed = values.to_numpy(dtype=object)
    return pd.Series([converted.get(value) for value in listed], index=values.index, dtype=dtype)


def clean_text(text: str) -> str | None:
    """One line of NFC text without HTML; None if nothing is left.

    Only tags that HTML knows go: `<3` and `<untitled>` are titles. Entities need their
    semicolon. Runs of white space and control characters become one space.
    """
    if "<" in text:
        text = _UNSEEN.sub(" ", text)
        text = _BLOCK_TAG.sub(" ", _INLINE_TAG.sub("", text))
    if "&" in text:
        text = _ENTITY.sub(unescape, text)
    text = _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text)
    return unicodedata.normalize("NFC", _SPACE.sub(" ", text).strip()) or None


def unescape(entity: re.Match[str]) -> str:
    return html.unescape(entity[0])


def clean_texts(values: pd.Series) -> pd.Series:
    return map_unique(values, clean_text, "string")


def normalise_id(text: str) -> str | None:
    """An integer without padding or a spreadsheet's `.0`; FMA writes -1 for none."""
    text = text.strip()
    if text in ("-1", "-1.0"):
        return None
    whole = _WHOLE_NUMBER.fullmatch(text)
    return whole[1] if whole else clean_text(text)


def normalise_ids(values: pd.Series) -> pd.Series:
    return map_unique(values, normalise_id, "string")


def is_track_id(text: str) -> bool:
    """Whether a normalised id is FMA's integer or a Spotify track's."""
    return bool(re.fullmatch("[0-9]{1,18}", text) or _SPOTIFY_ID.fullmatch(text))


def parse_duration(text: str) -> float | None:
    """Seconds of `168`, `61.5`, `01:23` or `1:02:03`; None if it is none of them."""
    match = _DURATION.fullmatch(text)
    if match is None or (match[1] and int(match[2]) >= 60):
        return None
    return int(match[1] or 0) * 3600 + int(match[2] or 0) * 60 + float(match[3])


def parse_durations(values: pd.Series) -> pd.Series:
    return map_unique(values, parse_duration, "Float64")


def parse_count(text: str) -> int | None:
    """A whole number, or -1, which is how FMA writes that it is unknown; else None."""
    match = _COUNT.fullmatch(text)
    return int(match[1]) if match else None


def parse_counts(values: pd.Series) -> pd.Series:
    """Whole numbers from 0 on; unknown is null."""
    counts = map_unique(values, parse_count, "Int64")
    return counts.where(counts >= 0)


def parse_dates(values: pd.Series) -> pd.Series:
    """UTC moments of `11/26/2008 01:48:12 AM` (month first, as FMA writes) or ISO 8601.

    A date without time, a month or a year alone is its first moment: 296 of the 2,000 real rows
    that we looked at say just `2008`. Text without an offset is UTC.
    """
    american = pd.to_datetime(values, format="%m/%d/%Y %I:%M:%S %p", errors="coerce", utc=True)
    iso = values.where(values.str.fullmatch(_ISO_DATE).fillna(False))
    return american.fillna(pd.to_datetime(iso, format="ISO8601", errors="coerce", utc=True)).astype(
        DATE_DTYPE
    )


def parse_genres(text: str) -> tuple[Genre, ...] | None:
    """The genres of a list written as text, each once; None if it cannot be understood.

    Understood are Python's and JSON's spelling of a list of ids or of FMA's
    `{'genre_id': …, 'genre_title': …}`, and one bare id.
    """
    items = read_list(text)
    if items is None:
        return None
    unique: dict[str, Genre] = {}
    for item in items:
        genre = read_genre(item)
        if genre is None:
            return None
        unique.setdefault(genre[0], genre)
    return tuple(unique.values())


def read_list(text: str) -> list[Any] | None:
    """The list that `text` spells, by parsing and never by evaluating."""
    if len(text) > _LONGEST_LIST_CHARACTERS:
        return None
    for parse in (json.loads, ast.literal_eval):
        try:
            value = parse(text)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            continue
        if isinstance(value, list | tuple):
            return list(value)
        return [value] if isinstance(value, int) else None
    return None


def read_genre(item: Any) -> Genre | None:
    title = item.get("genre_title") if isinstance(item, dict) else None
    item = item.get("genre_id") if isinstance(item, dict) else item
    if isinstance(item, float) and item.is_integer():
        item = int(item)
    if isinstance(item, bool) or not isinstance(item, int | str):
        return None
    genre_id = normalise_id(str(item))
    return (genre_id, clean_text(str(title or ""))) if genre_id else None


def parse_genre_lists(values: pd.Series) -> pd.Series:
    """Tuples of genres; no text is no genre; None where the text cannot be understood."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # literal_eval warns of stray backslashes in a title
        parsed = map_unique(values, parse_genres, "object")
    genres = [() if absent else list_ for absent, list_ in zip(values.isna(), parsed, strict=True)]
    return pd.Series(genres, index=values.index, dtype=object)
