"""Land a music library: metadata and audio matched into one checked catalogue."""

import json
import logging
import tempfile
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from nocturne.catalogue import merge
from nocturne.catalogue.audio_files import (
    LEFT_OUT,
    AudioFiles,
    Digest,
    digest_audio,
    find_audio,
)
from nocturne.catalogue.contracts import COLUMNS, DTYPES, RULES, CatalogueTrack, find_broken_rules
from nocturne.catalogue.convert import parse_dates
from nocturne.catalogue.fma import Metadata, load_metadata
from nocturne.errors import BadInput
from nocturne.refusals import Refusal, write_refusals

log = logging.getLogger(__name__)

WRITTEN = (
    "refusals.jsonl", "without_audio.jsonl", "left_out.jsonl", "final.csv", "catalogue.parquet",
)  # fmt: skip
LISTS = ("genre_ids", "genre_titles")
ARROW_TYPES = {
    "Float64": pa.float64(),
    "Int64": pa.int64(),
    "int64": pa.int64(),
    "object": pa.list_(pa.string()),
    "string": pa.string(),
    "datetime64[us, UTC]": pa.timestamp("us", tz="UTC"),
}


@dataclass(frozen=True)
class Landed:
    """A landed library.

    `tracks` keeps the contract `CatalogueTrack`, one row a usable track with audio, sorted by
    track id as text. `refusals` are the rows and files that broke a rule; `without_audio` the
    good rows whose audio is not there, which is usual when a part of FMA is landed with the
    metadata of all of it. Rows and files of tracks that are not known yet are in no number here.
    """

    tracks: pd.DataFrame
    refusals: list[Refusal]
    without_audio: list[Refusal]
    rows_read: int
    files_found: int
    left_out: list[Refusal] = field(default_factory=list)
    """Folders and files that were passed over on purpose; they are in no number here."""


def land_library(
    audio_dir: Path,
    metadata_dir: Path,
    known_before: datetime | None = None,
    left_out: Iterable[str] = LEFT_OUT,
) -> Landed:
    """Match the metadata of a folder with the audio of another.

    Tracks dated at or after `known_before` (UTC if it names no zone) are not in the library yet;
    tracks without a date always are. Raises BadInput if either folder cannot serve at all, or if
    no row matches any audio file.
    """
    audio = find_audio(audio_dir, left_out)
    metadata = load_metadata(metadata_dir)
    every_row = metadata.tracks.frame
    require_match(every_row, audio, metadata_dir / metadata.tracks.source, audio_dir)

    known = select_known(every_row, known_before)
    future = set(every_row["track_id"].dropna()) - set(known["track_id"].dropna())
    named = merge.fill_names(known, metadata.albums, metadata.artists)
    usable, bad_rows = refuse_rows(named, metadata.tracks.source)
    digests, unreadable = digest_files(audio_dir, select_paths(audio, usable))
    tracks, bad_echonest = build_tracks(usable, metadata, audio, digests)

    bad_files = [refusal for refusal in audio.refusals if refusal.key not in future]
    orphans = refuse_orphans(audio, set(every_row["track_id"].dropna()))
    refusals = [*metadata.tracks.refusals, *metadata.refusals, *bad_rows, *bad_echonest]
    landed = Landed(
        tracks=tracks,
        refusals=sorted([*refusals, *bad_files, *unreadable, *orphans]),
        without_audio=list_without_audio(usable, audio, metadata.tracks.source),
        rows_read=len(known) + len(metadata.tracks.refusals),
        files_found=sum(track_id not in future for track_id in audio.found),
        left_out=audio.left_out,
    )
    log.info(
        "landed %d tracks; %d refusals; %d rows without audio; %d files and folders left out",
        len(tracks),
        len(landed.refusals),
        len(landed.without_audio),
        len(landed.left_out),
    )
    return landed


def require_match(rows: pd.DataFrame, audio: AudioFiles, tracks_file: Path, folder: Path) -> None:
    ids = set(rows["track_id"].dropna())
    if ids.isdisjoint(audio.found):
        raise BadInput(
            f"No track of {tracks_file} has an audio file in {folder}: ids such as"
            f" {', '.join(sorted(ids)[:3]) or 'none'} there, files such as"
            f" {', '.join(sorted(audio.paths.values())[:3]) or 'none named by an id'} here."
            " Give the audio and the metadata of the same library."
        )


def select_known(rows: pd.DataFrame, known_before: datetime | None) -> pd.DataFrame:
    if known_before is None:
        return rows
    moment = known_before if known_before.tzinfo else known_before.replace(tzinfo=UTC)
    return rows[~(parse_dates(rows["date_created"]) >= pd.Timestamp(moment))]


def refuse_rows(rows: pd.DataFrame, source: str) -> tuple[pd.DataFrame, list[Refusal]]:
    """The rows that keep the contract, one a track id, and a refusal for each of the others.

    Of rows equal in all that we read, one is kept and no word said. Of different good rows with
    one track id the first in the file is kept and the others are refused.
    """
    rows = rows.drop_duplicates([name for name in rows.columns if name != "line"])
    broken = find_broken_rules(rows)
    good = rows.drop(index=broken.index)
    repeated = good["track_id"].duplicated()
    broken = pd.concat([broken, repeated[repeated].map({True: "track_id_duplicate"})])
    bad = rows.loc[broken.index]
    refusals = [
        refuse_row(source, row, rule)
        for rule, row in zip(broken, bad.to_dict("records"), strict=True)
    ]
    return good[~repeated], refusals


def refuse_row(source: str, row: Mapping[Hashable, Any], rule: str) -> Refusal:
    column, _, fault = rule.rpartition("_")
    value = "" if fault in ("missing", "duplicate") else f": {str(row[column])[:80]!r}"
    place = f"line {row['line']}"
    key = place if pd.isna(row["track_id"]) else str(row["track_id"])
    return Refusal(source, key, rule, f"{place} {RULES[rule]}{value}")


def select_paths(audio: AudioFiles, rows: pd.DataFrame) -> dict[str, str]:
    return {
        track_id: audio.paths[track_id] for track_id in rows["track_id"] if track_id in audio.paths
    }


def digest_files(folder: Path, paths: Mapping[str, str]) -> tuple[dict[str, Digest], list[Refusal]]:
    digests: dict[str, Digest] = {}
    refusals: list[Refusal] = []
    for track_id, path in paths.items():
        try:
            digests[track_id] = digest_audio(folder / path)
        except OSError as error:
            reason = f"cannot be read: {error.strerror}"
            refusals.append(Refusal(path, track_id, "audio_unreadable", reason))
    return digests, refusals


def build_tracks(
    rows: pd.DataFrame, metadata: Metadata, audio: AudioFiles, digests: Mapping[str, Digest]
) -> tuple[pd.DataFrame, list[Refusal]]:
    """The catalogue of the rows whose audio was read, and the Echo Nest rows refused."""
    features, refusals = merge.parse_echonest(metadata.echonest)
    rows = rows[rows["track_id"].isin(list(digests))].sort_values("track_id", ignore_index=True)
    rows = merge.add_genres(merge.convert_values(rows), metadata.genres)
    files = [
        {"audio_path": audio.paths[track_id], **asdict(digests[track_id])}
        for track_id in rows["track_id"]
    ]
    columns = ["audio_path", *Digest.__dataclass_fields__]
    rows = merge.add_echonest(rows, features).join(pd.DataFrame(files, columns=columns))
    return CatalogueTrack.validate(rows[COLUMNS].astype(DTYPES)), refusals


def refuse_orphans(audio: AudioFiles, ids: set[str]) -> list[Refusal]:
    reason = "no row of the tracks file has this track id"
    return [
        Refusal(path, track_id, "metadata_missing", reason)
        for track_id, path in audio.paths.items()
        if track_id not in ids
    ]


def list_without_audio(rows: pd.DataFrame, audio: AudioFiles, source: str) -> list[Refusal]:
    """Good rows with no audio file at all; a file that was refused speaks for itself."""
    present = {*audio.paths, *(refusal.key for refusal in audio.refusals)}
    absent = rows[~rows["track_id"].isin(list(present))]
    return sorted(
        Refusal(source, track_id, "audio_missing", f"line {line} has no audio file")
        for track_id, line in zip(absent["track_id"], absent["line"], strict=True)
    )


def write_landed(landed: Landed, target: Path) -> None:
    """Write catalogue.parquet, final.csv and, of what is not in them, refusals.jsonl,
    without_audio.jsonl and left_out.jsonl into a folder.

    All are written beside the folder first and then moved in, the catalogue last, so a file is
    whole or absent and a failure while writing changes nothing. Equal libraries give equal bytes.
    """
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as made:
        draft = Path(made)
        write_refusals(draft / "refusals.jsonl", landed.refusals)
        write_refusals(draft / "without_audio.jsonl", landed.without_audio)
        write_refusals(draft / "left_out.jsonl", landed.left_out)
        write_csv(draft / "final.csv", landed.tracks)
        pq.write_table(to_arrow(landed.tracks), draft / "catalogue.parquet")
        for name in WRITTEN:
            (draft / name).replace(target / name)


def write_csv(path: Path, tracks: pd.DataFrame) -> None:
    """UTF-8 CSV: lists as JSON, moments in ISO 8601, null as nothing."""
    lists = {
        name: [json.dumps(items, ensure_ascii=False) for items in tracks[name]] for name in LISTS
    }
    moments = tracks["date_created"].map(pd.Timestamp.isoformat, na_action="ignore")
    flat = tracks.assign(date_created=moments, **lists)
    flat.to_csv(path, index=False, encoding="utf-8", lineterminator="\n")


def to_arrow(tracks: pd.DataFrame) -> pa.Table:
    fields = [(name, ARROW_TYPES[str(dtype)]) for name, dtype in tracks.dtypes.items()]
    table = pa.Table.from_pandas(tracks, schema=pa.schema(fields), preserve_index=False)
    return table.replace_schema_metadata(None)


def read_catalogue(target: Path) -> pd.DataFrame:
    """The tracks of a landed folder, as `Landed.tracks` was. Raises BadInput if there is none."""
    path = target / "catalogue.parquet"
    if not path.is_file():
        raise BadInput(f"There is no catalogue at {path}. Land the library into {target} first.")
    table = pq.read_table(path)
    tracks = table.to_pandas(types_mapper=find_pandas_type)
    lists = {name: pd.Series(table[name].to_pylist(), dtype=object) for name in LISTS}
    return CatalogueTrack.validate(tracks.assign(**lists)[COLUMNS].astype(DTYPES))


def find_pandas_type(kind: pa.DataType) -> object:
    """Nullable types straight from Arrow, so that whole numbers never pass through floats."""
    return {pa.int64(): pd.Int64Dtype(), pa.string(): pd.StringDtype()}.get(kind)
