"""Foreign text as it may be shown: names of files, titles and messages can hold anything, also what
would colour, move or forge the lines of a terminal or a log.
"""

import logging
from typing import Any

JOINERS = "\u200c\u200d"
"""Invisible, and harmless: Persian words and many emoji are spelt with them."""
TAB = " " * 4


def plain_text(text: str) -> str:
    """The text on one line, every control character and direction mark as Python escapes it."""
    return text if text.isprintable() else "".join(map(show_sign, text))


def show_sign(sign: str) -> str:
    shown = sign.isprintable() or sign in JOINERS
    return sign if shown else sign.encode("unicode_escape").decode("ascii")


def plain_lines(text: str) -> str:
    """The same of a text of several lines; those after the first are indented, so that none of them
    looks like one of ours.
    """
    first, *others = map(plain_text, text.replace("\t", TAB).split("\n"))
    return "\n".join([first, *(other if other[:1] == " " else f"  {other}" for other in others)])


def plain_output(text: str) -> str:
    """The same of what is printed whole, line by line: a log, a table."""
    return "\n".join(map(plain_text, text.replace("\t", TAB).split("\n")))


def plain_json(dumped: str) -> str:
    """JSON that says the same without a sign that a terminal would obey."""
    return "".join(
        sign if sign == "\n" or sign.isprintable() or sign in JOINERS else escape_json(sign)
        for sign in dumped
    )


def escape_json(sign: str) -> str:
    units = sign.encode("utf-16-be", "surrogatepass")
    return "".join(
        f"\\u{high:02x}{low:02x}" for high, low in zip(units[::2], units[1::2], strict=True)
    )


def clean_logs() -> None:
    """From now on, whatever Nocturne logs in this process is plain text."""
    make = logging.getLogRecordFactory()
    if getattr(make, "is_plain", False):
        return

    def make_plain(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = make(*args, **kwargs)
        # logging.makeLogRecord makes one of nothing, and fills it with one that is plain already.
        if record.name and record.name.startswith("nocturne"):
            record.msg, record.args = plain_lines(record.getMessage()), ()
        return record

    make_plain.is_plain = True  # type: ignore[attr-defined]
    logging.setLogRecordFactory(make_plain)
