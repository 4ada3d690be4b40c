"""The exported CSV file: its columns, and reading it back."""

from pathlib import Path

import pandas as pd

from nocturne.errors import NocturneError

COLUMNS = ["File_Name", "MFCCs", "Spectral_Centroid", "Zero_Crossing_Rate", "genre_id"]


def require_complete(exported: Path, documents: int) -> int:
    """The number of rows of the file; raises NocturneError if it is not what was to be written."""
    rows = pd.read_csv(exported)
    if list(rows.columns) != COLUMNS:
        raise NocturneError(f"{exported} has the columns {list(rows.columns)}: export again.")
    if len(rows) != documents:
        raise NocturneError(
            f"{exported} has {len(rows)} rows, the collection {documents}: it changed meanwhile."
            " Export again."
        )
    return len(rows)
