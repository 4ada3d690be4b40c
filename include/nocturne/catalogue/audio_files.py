"""Audio files found by track id, in FMA's layouts: `000/000002.mp3`, `000002.mp3`, `2.mp3`."""

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from nocturne.catalogue.convert import is_track_id, normalise_id
from nocturne.errors import BadInput
from nocturne.refusals import Refusal

AUDIO_SUFFIXES = frozenset({".mp3", ".ogg", ".oga", ".flac", ".wav", ".aac", ".m4a", ".opus"})


@dataclass(frozen=True)
class AudioFiles:
    """What an audio folder holds.

    `paths` has the file of each track id, relative to the folder, with `/`; `refusals` the rest,
    keyed by track id where the name has one; `found` the track id of each audio file, kept or
    refused, empty where its name has none.
    """

    paths: dict[str, str]
    refusals: list[Refusal]
    found: list[str]


@dataclass(frozen=True)
class Digest:
    audio_bytes: int
    audio_sha256: str


def find_audio(folder: Path) -> AudioFiles:
    """Find audio at any depth, in sorted order; other and hidden files are not looked at.

    Raises BadInput if the folder is absent, unreadable or without any audio file.
    """
    require_folder(folder)
    paths: dict[str, str] = {}
    refusals: list[Refusal] = []
    found: list[str] = []
    for path, fault in sorted(walk_audio(folder)):
        track_id = read_track_id(path)
        if not fault:
            found.append(track_id)
        refusal = refuse_file(path, track_id, fault, paths.get(track_id))
        if refusal:
            refusals.append(refusal)
        else:
            paths[track_id] = path
    if not found:
        suffixes = " ".join(sorted(suffix[1:] for suffix in AUDIO_SUFFIXES))
        raise BadInput(
            f"There is no audio file in {folder} or below. Put files named by track id there,"
            f" such as 000/000002.mp3 or 2.mp3 (known endings: {suffixes})."
        )
    return AudioFiles(paths, refusals, found)


def require_folder(folder: Path) -> None:
    try:
        next(folder.iterdir(), None)
    except OSError as error:
        raise BadInput(
            f"The audio folder {folder} cannot be read ({error.strerror}). Give a readable folder"
            " of audio files (NOCTURNE_AUDIO_DIR or --audio)."
        ) from error


def walk_audio(folder: Path) -> Iterator[tuple[str, str]]:
    """(relative path, fault) of all that is named like audio, and of folders we may not list.

    The fault is empty for a regular file. Linked folders are followed, each folder once.
    """
    unlisted: list[OSError] = []
    seen: set[tuple[int, int]] = set()
    for base, folders, files in os.walk(folder, followlinks=True, onerror=unlisted.append):
        here = Path(base).stat()
        fresh = (here.st_dev, here.st_ino) not in seen
        seen.add((here.st_dev, here.st_ino))
        shown = [name for name in (*folders, *files) if fresh and not name.startswith(".")]
        for name in filter(is_audio_name, shown):
            path = Path(base, name)
            yield path.relative_to(folder).as_posix(), find_fault(path)
        folders[:] = sorted(set(folders) & {name for name in shown if not is_audio_name(name)})
    for error in unlisted:
        yield Path(error.filename).relative_to(folder).as_posix(), f"cannot be listed: {error}"


def is_audio_name(name: str) -> bool:
    stem, dot, ending = name.rpartition(".")
    return bool(stem) and dot + ending.lower() in AUDIO_SUFFIXES


def find_fault(path: Path) -> str:
    try:
        mode = path.stat().st_mode
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return "" if stat.S_ISREG(mode) else "is not a file, though it is named like audio"


def read_track_id(path: str) -> str:
    """The track id that a file is named by, without padding; empty if it is named otherwise."""
    stem = PurePosixPath(path).stem
    named = is_audio_name(path) and is_track_id(stem)
    return (normalise_id(stem) or "") if named else ""


def refuse_file(path: str, track_id: str, fault: str, earlier: str | None) -> Refusal | None:
    """Why a file cannot stand for its track; `earlier` is the file that already does."""
    source = os.fsencode(path).decode("utf-8", "backslashreplace")
    if fault:
        return Refusal(source, track_id, "audio_unreadable", fault)
    if source != path:
        return Refusal(source, track_id, "audio_name_unknown", "the name is not UTF-8")
    if not track_id:
        return Refusal(source, "", "audio_name_unknown", "the name is not a track id")
    if earlier:
        return Refusal(source, track_id, "audio_duplicate", f"{earlier} has this track id too")
    return None


def digest_audio(path: Path) -> Digest:
    """Size and SHA-256 of a file's bytes. Raises OSError if it cannot be read."""
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return Digest(file.tell(), sha256)
