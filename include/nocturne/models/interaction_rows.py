"""Rows of a text file of interactions: its encoding, separator and header found out."""

import csv
import gzip
import io
import re
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal, NoReturn

from nocturne.errors import BadInput, Misuse

Row = tuple[int, list[str]]
"""The number of a line in its file, and its cells."""

SEPARATORS = {"\t": "tab", "::": "::", ",": "comma", ";": "semicolon", "|": "pipe", " ": "spaces"}
QUOTING = {",", ";", "|"}  # tab and `::` files have no quotes, by custom: `"Weird Al" Yankovic`
SAMPLE_LINES = 100  # enough to tell the separator by
GZIP_MAGIC = b"\x1f\x8b"
# What headers call our columns, best first, in small letters and digits alone.
NAMES = {
    "user": "user userid uid listener listenerid username visitorid",
    "item": "item itemid iid track trackid song songid recording recordingid traid movie movieid"
            " album albumid artist artistid artid itemname trackname songname artistname",
    "count": "count weight plays playcount listens listencount listeningcount scrobbles rating"
             " ratings score value frequency",
    "timestamp": "timestamp at time date datetime unixtime playedat listenedat createdat ts",
}  # fmt: skip


@dataclass(frozen=True)
class Table:
    """A file's cells by column, its header if it has one, and the line that each row stands on."""

    path: Path
    header: list[str] | None
    lines: list[int]
    columns: list[tuple[str, ...]]

    def refuse(self, row: int, reason: str) -> NoReturn:
        refuse(self.path, self.lines[row], reason)


def read_columns(path: Path) -> Table:
    """Raises Misuse if there is no such file, BadInput if it is no table of two columns or more."""
    if not path.is_file():
        raise Misuse(f"There is no file {path}.")
    text = read_text(path)
    rows = list(split_rows(text, find_separator(text, path), path))
    first = rows[0][1]
    header = first if has_header(first) else None
    data = rows if header is None else rows[1:]
    if not data:
        raise BadInput(f"{path} has a header and no interactions.")
    for line, cells in data:
        if len(cells) != len(first):
            refuse(path, line, f"{len(cells)} columns, where the first row has {len(first)}")
    columns = list(zip(*(cells for _, cells in data), strict=True))
    return Table(path, header, [line for line, _ in data], columns)


def refuse(path: Path, line: int, reason: str) -> NoReturn:
    raise BadInput(f"{path}, line {line}: {reason}. Mend or remove the line.")


def read_text(path: Path) -> str:
    raw = path.read_bytes()
    try:
        text = (gzip.decompress(raw) if raw.startswith(GZIP_MAGIC) else raw).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise BadInput(
            f"{path}, line {line}: not UTF-8 text. Convert the file to UTF-8."
        ) from error
    except (EOFError, OSError, zlib.error) as error:
        raise BadInput(f"{path} is a damaged gzip file: {error}.") from error
    if not text.strip():
        raise BadInput(f"{path} is empty.")
    return text


def find_separator(text: str, path: Path) -> str:
    """The one that gives most of the first rows one width, of two cells or more.

    Of equal ones the one that makes the first row a header, then the first in SEPARATORS. Spaces
    separate only where nothing else does, as names have them.
    """
    lines = (line for line in io.StringIO(text, newline="") if line.strip())
    sample = "".join(islice(lines, SAMPLE_LINES))
    best, most = " ", (0, False)
    for separator in [*SEPARATORS][:-1]:
        rows = [cells for _, cells in split_rows(sample, separator, path, strict=False)]
        if not rows:
            continue
        width, rows_of_it = Counter(map(len, rows)).most_common(1)[0]
        merit = (rows_of_it, has_header(rows[0]))
        if width > 1 and merit > most:
            best, most = separator, merit
    first = next(split_rows(text, best, path, strict=False))
    if len(first[1]) < 2:
        known = ", ".join(SEPARATORS.values())
        refuse(path, first[0], f"one column; expected user and item, separated by one of {known}")
    return best


def split_rows(text: str, separator: str, path: Path, *, strict: bool = True) -> Iterator[Row]:
    """Rows that are not blank, their cells without spaces around; strict about quotes."""
    if separator == "::":
        text, separator = text.replace("::", "\x1f"), "\x1f"  # csv takes one character
    elif separator == " ":
        text = "\n".join(" ".join(line.split()) for line in io.StringIO(text, newline=""))
    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if separator in QUOTING else csv.QUOTE_NONE
    lines = io.StringIO(text, newline="")
    reader = csv.reader(lines, delimiter=separator, quoting=quoting, strict=strict)
    while True:
        line = reader.line_num + 1
        try:
            row = next(reader, None)
        except csv.Error as error:
            refuse(path, line, f"its quotes or cells are malformed ({error})")
        if row is None:
            return
        cells = [cell.strip() for cell in row]
        if any(cells):
            yield line, cells


def find_column(cells: Sequence[str], name: str) -> int | None:
    """Where the column is that a header calls by one of NAMES; RecBole's `name:type` is known."""
    plain = [re.sub(r"[^a-z0-9]", "", cell.lower().split(":")[0]) for cell in cells]
    return next((plain.index(alias) for alias in NAMES[name].split() if alias in plain), None)


def has_header(cells: Sequence[str]) -> bool:
    return any(find_column(cells, name) is not None for name in ("user", "item"))
