"""Robust reading of CSV tables: everything arrives as text, bad rows are set aside.

Nothing is converted here; `convert` does that, by rules of its own.
"""

import codecs
import csv
import io
import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from operator import itemgetter
from pathlib import Path

import pandas as pd

from nocturne.refusals import Refusal

log = logging.getLogger(__name__)

LARGEST_FIELD_CHARACTERS = 2**30
LINES_OF_ONE_RECORD = 2000  # how far a quote left open is followed when looking for the next row
HEADER_ROWS = 3  # FMA's echonest.csv has three, before the row that names the index

SEPARATORS = (",", ";", "\t", "|")
MARK = "\ufeff"
PROBED_BYTES = 2000

Columns = Mapping[str, Sequence[str]]
"""Our name of each column → the names it goes by in files, best first."""


@dataclass(frozen=True)
class Table:
    """Chosen columns of one file, as text (empty where absent), and `line` for each row.

    `found` are the names in the header, `refusals` the rows with the wrong number of fields.
    """

    source: str
    frame: pd.DataFrame
    found: list[str]
    refusals: list[Refusal]


def read_byte_as_cp1252(error: UnicodeError) -> tuple[str, int]:
    """Codec error handler: bytes that are not UTF-8 are cp1252; undefined ones become U+FFFD."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.end].decode("cp1252", "replace"), error.end


codecs.register_error("nocturne-cp1252", read_byte_as_cp1252)


def decode_text(raw: bytes) -> tuple[str, str]:
    """The text, and the name of the encoding that gave it, for the log.

    UTF-16 by its mark, or by the zeros of its Latin letters; else UTF-8. If that fails, only the
    bytes that are not UTF-8 are taken for cp1252, so that one damaged row does not spell the names
    of all others wrongly. Marks at the beginning are dropped, however many there are.
    """
    if wide := find_utf16(raw):
        return raw.decode(wide, "replace").lstrip(MARK), "UTF-16"
    try:
        return raw.decode("utf-8").lstrip(MARK), "UTF-8"
    except UnicodeDecodeError:
        text = raw.decode("utf-8", "nocturne-cp1252").lstrip(MARK)
        return text, "UTF-8 with cp1252 where it is not"


def find_utf16(raw: bytes) -> str:
    """Which UTF-16 it is, as spreadsheets save "Unicode text"; empty if it is none."""
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    begin = raw[:PROBED_BYTES]
    for name, letters, zeros in (("utf-16-le", 0, 1), ("utf-16-be", 1, 0)):
        if begin[zeros::2].count(0) > len(begin) / 4 and not begin[letters::2].count(0):
            return name
    return ""


def read_text(path: Path) -> str:
    """Raises OSError if the file cannot be read."""
    text, encoding = decode_text(path.read_bytes())
    log.info("%s read as %s", path.name, encoding)
    return text


def read_table(path: Path, columns: Columns, key: str) -> Table:
    """Read a CSV file with one header row, or FMA's two or three and a row naming the index.

    `key` is the column that names the index. Columns that the file lacks are all null. Raises
    OSError if the file cannot be read.
    """
    csv.field_size_limit(LARGEST_FIELD_CHARACTERS)
    lines = list(io.StringIO(read_text(path), newline=""))
    separator, first = find_separator(lines)
    names, first = read_header(lines, {key, *columns[key]}, separator, first)
    chosen = find_places(names, columns)
    rows, refusals = read_rows(
        lines, first, len(names), list(chosen.values()), path.name, separator
    )
    frame = pd.DataFrame.from_records(rows, columns=["line", *chosen], coerce_float=False)
    frame = frame.reindex(columns=["line", *columns])
    return Table(path.name, frame.astype(dict.fromkeys(columns, "string")), names, refusals)


def find_separator(lines: Sequence[str]) -> tuple[str, int]:
    """What separates the fields, and the first line of the header: Excel may name the separator in
    a line before, else it is the one that gives the first line most fields.
    """
    first = lines[0] if lines else ""
    named = re.fullmatch(r"\s*\"?sep=(.)\"?\s*", first, re.IGNORECASE)
    if named:
        return named[1], 1
    counts = {sign: len(next(csv.reader([first], delimiter=sign), [])) for sign in SEPARATORS}
    return max(SEPARATORS, key=lambda sign: counts[sign]), 0


def find_places(names: Sequence[str], columns: Columns) -> dict[str, int]:
    """Where in a row each of our columns is; columns that the file lacks are left out."""
    known = {name: place for place, name in reversed(list(enumerate(names)))}
    matches = {
        ours: next((known[alias] for alias in (ours, *aliases) if alias in known), None)
        for ours, aliases in columns.items()
    }
    return {ours: place for ours, place in matches.items() if place is not None}


def read_header(
    lines: Sequence[str], keys: set[str], separator: str, first: int
) -> tuple[list[str], int]:
    """Column names in lower case, group and name joined by a dot, and the line after them."""
    begins = [first]
    rows: list[list[str]] = []
    for fields, end in parse_records(lines, first, separator):
        rows.append([field.strip().lower() for field in fields])
        begins.append(end)
        if len(rows) > HEADER_ROWS:
            break
    for depth, row in enumerate(rows[1:], start=1):
        if row and row[0] in keys and not keys & set(rows[0]):
            return join_header(rows[:depth], row[0]), begins[depth + 1]
    return (rows[0], begins[1]) if rows else ([], first)


def join_header(rows: Sequence[Sequence[str]], index_name: str) -> list[str]:
    names = [".".join(filter(None, parts)) for parts in zip_longest(*rows, fillvalue="")]
    return [index_name, *names[1:]]


def parse_records(
    lines: Sequence[str], begin: int, separator: str
) -> Iterator[tuple[list[str], int]]:
    """The fields of each record from the line `begin` on, and the line after the record."""
    reader = csv.reader((lines[place] for place in range(begin, len(lines))), delimiter=separator)
    for fields in reader:
        yield fields, begin + reader.line_num


def read_rows(
    lines: Sequence[str],
    first: int,
    width: int,
    places: Sequence[int],
    source: str,
    separator: str,
) -> tuple[list[tuple[object, ...]], list[Refusal]]:
    """(line number, chosen fields …) of each row, and the rows that do not have `width` fields; an
    empty one behind them is no field.
    """
    rows: list[tuple[object, ...]] = []
    refusals: list[Refusal] = []
    choose = choose_fields(places)
    begin, end = first, first
    while end < len(lines):
        for found, end_of_record in parse_records(lines, begin, separator):
            fields = drop_trailing(found, width)
            fits = len(fields) == width
            end = find_end(lines, begin, end_of_record, fits, width, separator)
            if fields and len(fields) == width and end == end_of_record:
                rows.append((begin + 1, *choose(fields)))
            elif any(field.strip() for field in fields):
                refusals.append(refuse_fields(source, begin, end, len(fields), width))
            begin = end
            if end != end_of_record:
                break
    return rows, refusals


def drop_trailing(fields: list[str], width: int) -> list[str]:
    """Without the empty field behind a separator that ends each line of some writers."""
    return fields[:-1] if len(fields) == width + 1 and not fields[-1].strip() else fields


def choose_fields(places: Sequence[int]) -> Callable[[list[str]], tuple[str, ...]]:
    if len(places) == 1:
        only = places[0]
        return lambda fields: (fields[only],)
    return itemgetter(*places) if places else lambda _: ()


def find_end(
    lines: Sequence[str], begin: int, end: int, fits: bool, width: int, separator: str
) -> int:
    """Where a record really ends: a quote left open must not swallow the rows after it.

    A record over several lines that does not fit, or whose quotes are not in order, ends before
    the first line that makes a row of its own.
    """
    if end <= begin + 1 or (fits and is_well_quoted(lines[begin:end], separator)):
        return end
    for candidate in range(begin + 1, min(end, begin + LINES_OF_ONE_RECORD)):
        ahead = lines[candidate : candidate + LINES_OF_ONE_RECORD]
        fields, _ = next(parse_records(ahead, 0, separator), ([], 0))
        if len(drop_trailing(fields, width)) == width:
            return candidate
    return end


def is_well_quoted(record: Sequence[str], separator: str) -> bool:
    try:
        next(csv.reader(record, strict=True, delimiter=separator))
    except csv.Error:
        return False
    return True


def refuse_fields(source: str, begin: int, end: int, fields: int, width: int) -> Refusal:
    where = f"line {begin + 1}"
    if end > begin + 1:
        where = f"lines {begin + 1} to {end}"
    reason = f"{where}: {fields} fields where the header has {width}"
    if fields == width:
        reason = f"{where}: a quote is left open"
    return Refusal(source, f"line {begin + 1}", "fields_wrong", reason)
