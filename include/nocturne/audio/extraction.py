"""What a catalogue still needs of the feature store, and the report of how it was filled."""

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from nocturne.audio.rules import TRANSIENT_RULES
from nocturne.audio.store import read_known, read_outcomes


class AudioFile(NamedTuple):
    """`tried_before` if the store holds a transient refusal of it."""

    audio_sha256: str
    audio_path: str
    audio_bytes: int
    tried_before: bool = False


@dataclass(frozen=True)
class Work:
    """The contents of a catalogue, and of them those that are to be extracted."""

    store: Path
    feature_set: str
    contents: list[AudioFile]
    pending: list[AudioFile]


def find_work(catalogue: Path, store: Path, definition: str) -> Work:
    """`catalogue` is a Parquet file with audio_path, audio_bytes and audio_sha256 of each track,
    `definition` the feature set.
    """
    contents = list_contents(catalogue)
    pending = choose_pending(contents, read_known(store, definition))
    return Work(store, definition, contents, pending)


def list_contents(catalogue: Path) -> list[AudioFile]:
    """One file for each content: the first by path where tracks share it."""
    columns = ["audio_sha256", "audio_path", "audio_bytes"]
    rows = pd.read_parquet(catalogue, columns=columns)
    rows = rows.sort_values(["audio_sha256", "audio_path"]).drop_duplicates("audio_sha256")
    return [AudioFile(*row) for row in rows[columns].itertuples(index=False, name=None)]


def choose_pending(files: list[AudioFile], known: dict[str, str | None]) -> list[AudioFile]:
    """The files to extract: unknown contents, and those whose refusal was of the moment."""
    return [
        file._replace(tried_before=file.audio_sha256 in known)
        for file in files
        if file.audio_sha256 not in known or known[file.audio_sha256] in TRANSIENT_RULES
    ]


def write_report(file: Path, work: Work, seconds: float) -> dict[str, object]:
    """What became of the catalogue's contents, as JSON; the report.

    Raises BadInput if the store lacks some of them.
    """
    hashes = [content.audio_sha256 for content in work.contents]
    outcomes = read_outcomes(work.store, work.feature_set, hashes)
    report = {
        "feature_set": work.feature_set,
        **count_outcomes(outcomes, work.pending),
        "seconds": round(seconds, 3),
    }
    file.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return report


def count_outcomes(outcomes: pd.DataFrame, pending: list[AudioFile]) -> dict[str, object]:
    """Contents by outcome; those that were not pending are `reused` or `refused_before`."""
    before = ~outcomes["audio_sha256"].isin([file.audio_sha256 for file in pending])
    good = outcomes["rule"].isna()
    return {
        "contents": len(outcomes),
        "extracted": int((good & ~before).sum()),
        "reused": int((good & before).sum()),
        "refused": count_rules(outcomes[~good & ~before]),
        "refused_before": count_rules(outcomes[~good & before]),
    }


def count_rules(refused: pd.DataFrame) -> dict[str, int]:
    return dict(sorted(Counter(refused["rule"]).items()))
