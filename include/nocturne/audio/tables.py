"""Described files as JSON, CSV or Parquet."""

import csv
import io
import json
import sys
from pathlib import Path
from typing import Any

from nocturne.audio.names import FEATURE_NAMES
from nocturne.plain_text import plain_json, plain_output

COLUMNS = ("file", "feature_set", "duration_seconds", *FEATURE_NAMES)
Described = list[dict[str, Any]]


def write_described(described: Described, form: str, output: Path | None) -> None:
    """Write to a file, or to stdout where none is given: there the names of files are escaped.

    JSON has the refused files too; CSV and Parquet have a row for each file with features, with
    the columns COLUMNS.
    """
    if form == "parquet" and output is not None:
        write_parquet(described, output)
        return
    text = to_json(described) if form == "json" else to_csv(described)
    if output is None:
        sys.stdout.write(plain_json(text) if form == "json" else plain_output(text))
    else:
        output.write_text(text, encoding="utf-8", newline="")


def to_json(described: Described) -> str:
    return json.dumps(described, ensure_ascii=False, indent=2) + "\n"


def to_csv(described: Described) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(row.values() for row in rows_of(described))
    return text.getvalue()


def write_parquet(described: Described, output: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = dict.fromkeys(COLUMNS, pa.float64()) | dict.fromkeys(COLUMNS[:2], pa.string())
    pq.write_table(pa.Table.from_pylist(rows_of(described), schema=pa.schema(kinds)), output)


def rows_of(described: Described) -> list[dict[str, Any]]:
    """A flat row for each file that gave features, in the order of COLUMNS."""
    return [
        {**{name: item[name] for name in COLUMNS[:3]}, **item["features"]}
        for item in described
        if "features" in item
    ]
