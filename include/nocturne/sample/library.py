"""Make the sample library: audio, metadata and listening, whole or not at all."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from nocturne.errors import BadInput
from nocturne.locks import one_at_a_time
from nocturne.sample.catalogue import TRACKS_PER_GENRE, list_faulty_tracks, list_good_tracks
from nocturne.sample.composition import SAMPLE_VERSION
from nocturne.sample.genres import GENRES

if TYPE_CHECKING:
    import pandas as pd

    from nocturne.sample.audio_files import OnTrack

MARKER = "nocturne-sample.json"  # written last: where it stands, the sample is whole


@dataclass(frozen=True)
class SampleLibrary:
    audio_dir: Path
    metadata_dir: Path
    listening_dir: Path


def make_sample(
    target: Path,
    last_day: date,
    on_track: Callable[[int, int], None] | None = None,
    *,
    tracks_per_genre: int = TRACKS_PER_GENRE,
) -> SampleLibrary:
    """Make the sample whose newest day is `last_day` in `target`, unless it is there already.

    The same `last_day` gives the same bytes. An older sample in `target` is replaced; a crash
    leaves either the old one or none. Two processes that make it at once wait for each other.
    `on_track(done, total)` is called after each audio file. Fewer `tracks_per_genre` (1 to
    TRACKS_PER_GENRE) give a subset of the same audio, for tests.

    Raises BadInput if `target` holds anything else than a sample.
    """
    marker = {
        "sample_version": SAMPLE_VERSION,
        "last_day": last_day.isoformat(),
        "tracks_per_genre": tracks_per_genre,
    }
    target.parent.mkdir(parents=True, exist_ok=True)
    with one_at_a_time(name_sibling(target, "lock")):
        if read_marker(target) != marker:
            require_replaceable(target)
            building = name_sibling(target, "building")
            build_sample(building, last_day, tracks_per_genre, on_track)
            (building / MARKER).write_text(json.dumps(marker) + "\n", "utf-8")
            swap_in(building, target)
    return locate_library(target)


def ensure_sample(
    target: Path, last_day: date, on_track: Callable[[int, int], None] | None = None
) -> SampleLibrary:
    """The sample in `target` whatever its last day is, or else a new one that ends on `last_day`.

    So that the library of one night is still there for the next, and for a backfill.
    """
    marker = read_marker(target)
    whole = isinstance(marker, dict) and marker.get("sample_version") == SAMPLE_VERSION
    return locate_library(target) if whole else make_sample(target, last_day, on_track)


def planted_tastes(target: Path) -> "pd.DataFrame":
    """The listeners' tastes: a row a listener (index user_id), a column a genre, sums of 1."""
    import pandas as pd

    table = pd.read_csv(locate_library(target).listening_dir / "listeners.csv", index_col="user_id")
    return table[[genre.name for genre in GENRES]]


def locate_library(folder: Path) -> SampleLibrary:
    return SampleLibrary(folder / "audio", folder / "metadata", folder / "listening")


def name_sibling(target: Path, purpose: str) -> Path:
    return target.with_name(f".{target.name}.{purpose}")


def read_marker(target: Path) -> object:
    try:
        return json.loads((target / MARKER).read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None


def require_replaceable(target: Path) -> None:
    """Raise BadInput rather than delete what we have not made."""
    if not target.exists() or (target / MARKER).is_file():
        return
    if not target.is_dir() or any(target.iterdir()):
        raise BadInput(
            f"{target} exists and is not a sample library (it has no {MARKER}), so it is not"
            " replaced. Remove it, or name another folder."
        )


def build_sample(
    folder: Path, last_day: date, tracks_per_genre: int, on_track: "OnTrack | None"
) -> None:
    """Write everything but the marker; what an exception interrupts is removed."""
    # scipy takes over a second to import, and a sample that is there already needs none of it
    from nocturne.sample.audio_files import write_audio
    from nocturne.sample.listening import write_listening
    from nocturne.sample.metadata import write_metadata

    shutil.rmtree(folder, ignore_errors=True)  # left by a process that was killed
    library = locate_library(folder)
    good = list_good_tracks(last_day, tracks_per_genre)
    try:
        write_metadata(library.metadata_dir, good + list_faulty_tracks(last_day))
        write_listening(library.listening_dir, good, last_day)
        write_audio(library.audio_dir, [track.track_id for track in good], on_track)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def swap_in(building: Path, target: Path) -> None:
    """Put the finished folder in the target's place; an old sample is moved aside first."""
    old = name_sibling(target, "old")
    shutil.rmtree(old, ignore_errors=True)
    if (target / MARKER).is_file():
        target.replace(old)
    building.replace(target)
    shutil.rmtree(old, ignore_errors=True)
