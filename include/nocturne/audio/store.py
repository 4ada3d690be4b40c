"""The feature store: what was ever extracted, keyed by the content of the audio.

`<store>/<feature set>/part-<hash>.parquet` holds one row for each content. Files are added
whole and never changed, so a reader needs no lock. A file's name is the hash of its rows' keys
and outcomes, so adding the same rows again changes nothing. Names that begin with `_` are parts
that are being written; one that a killed job left behind may be deleted.
"""

import hashlib
import os
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from nocturne.audio.rules import TRANSIENT_RULES, Rule
from nocturne.errors import BadInput


class FeatureRecord(NamedTuple):
    """A row: either `features` (518 values) and `duration_seconds`, or `rule` and `reason`."""

    audio_sha256: str
    features: list[float] | None
    rule: str | None
    reason: str | None
    duration_seconds: float | None

    @classmethod
    def refused(cls, audio_sha256: str, rule: Rule, reason: str) -> "FeatureRecord":
        return cls(audio_sha256, None, rule.value, reason, None)


SCHEMA = pa.schema(
    {
        "audio_sha256": pa.string(),
        "features": pa.list_(pa.float64()),
        "rule": pa.string(),
        "reason": pa.string(),
        "duration_seconds": pa.float64(),
    }
)
SPARK_SCHEMA = (
    "audio_sha256 string, features array<double>, rule string, reason string,"
    " duration_seconds double"
)


def feature_set_folder(store: Path, feature_set: str) -> Path:
    return store / feature_set


def add_part(store: Path, feature_set: str, rows: pa.Table) -> None:
    """Add rows of SCHEMA to the store, as one part that appears whole; no rows add nothing."""
    rows = rows.select(SCHEMA.names).cast(SCHEMA).sort_by("audio_sha256").combine_chunks()
    folder = feature_set_folder(store, feature_set)
    part = folder / part_name(rows)
    if rows.num_rows and not part.exists():
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = folder / f"_{part.name}"
        with unfinished.open("wb") as file:
            pq.write_table(rows, file)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(part)


def part_name(rows: pa.Table) -> str:
    outcomes = zip(rows["audio_sha256"].to_pylist(), rows["rule"].to_pylist(), strict=True)
    return f"part-{hash_of(f'{sha256} {rule}' for sha256, rule in outcomes)}.parquet"


def read_known(store: Path, feature_set: str) -> dict[str, str | None]:
    """Every content in the store, with the rule that refused it, or None if it has features."""
    table = open_parts(store, feature_set).to_table(columns=["audio_sha256", "rule"])
    rows = keep_settled(table.to_pandas())
    return dict(zip(rows["audio_sha256"], rows["rule"], strict=True))


def read_features(store: Path, feature_set: str, wanted: Collection[str]) -> pd.DataFrame:
    """The rows of the contents `wanted`, one each, sorted by `audio_sha256`.

    Columns are those of FeatureRecord, with None where a value is absent (NaN for
    `duration_seconds`) and an array of 518 doubles for `features`. Where a content was
    unreadable once and settled later, it is the settled row.

    Raises BadInput if the store lacks some of them.
    """
    return read_rows(store, feature_set, wanted, SCHEMA.names)


def read_outcomes(store: Path, feature_set: str, wanted: Collection[str]) -> pd.DataFrame:
    """As `read_features`, but only `audio_sha256` and `rule`: what counting needs."""
    return read_rows(store, feature_set, wanted, ["audio_sha256", "rule"])


def read_rows(
    store: Path, feature_set: str, wanted: Collection[str], columns: list[str]
) -> pd.DataFrame:
    is_wanted = pc.is_in(pc.field("audio_sha256"), value_set=pa.array(sorted(wanted), pa.string()))
    table = open_parts(store, feature_set).to_table(columns=columns, filter=is_wanted)
    rows = keep_settled(table.to_pandas())
    require_all(rows["audio_sha256"], wanted, feature_set_folder(store, feature_set))
    return rows


def keep_settled(rows: pd.DataFrame) -> pd.DataFrame:
    """One row for each content, sorted: the settled one if it was unreadable at another time."""
    rows = rows.assign(transient=rows["rule"].isin(TRANSIENT_RULES))
    rows = rows.sort_values(["audio_sha256", "transient"], kind="stable", ignore_index=True)
    return rows.drop_duplicates("audio_sha256", ignore_index=True).drop(columns="transient")


def open_parts(store: Path, feature_set: str) -> ds.Dataset:
    files = sorted(feature_set_folder(store, feature_set).glob("part-*.parquet"))
    return ds.dataset([str(file) for file in files], schema=SCHEMA, format="parquet")


def require_all(found: Iterable[str], wanted: Collection[str], folder: Path) -> None:
    missing = sorted(set(wanted).difference(found))
    if missing:
        raise BadInput(
            f"{folder} lacks the features of {len(missing)} of {len(set(wanted))} files, the"
            f" first with the SHA-256 {missing[0]}. Run extract_features for this catalogue,"
            " sample rate and excerpt."
        )


def hash_of(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:32]
