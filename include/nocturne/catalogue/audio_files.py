"""Audio files found by track id, in FMA's layouts: `000/000002.mp3`, `000002.mp3`, `2.mp3`."""

import hashlib
import mimetypes
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from nocturne.catalogue.convert import is_track_id, normalise_id
from nocturne.errors import BadInput
from nocturne.refusals import Refusal

AUDIO_SUFFIXES = frozenset(
    {
        ".aac", ".ac3", ".aif", ".aifc", ".aiff", ".amr", ".ape", ".au", ".caf", ".dsf", ".eac3",
        ".flac", ".m4a", ".m4b", ".mka", ".mp2", ".mp3", ".mp4", ".mpc", ".oga", ".ogg", ".opus",
        ".tak", ".tta", ".w64", ".wav", ".webm", ".wma", ".wv",
    }
)  # fmt: skip
"""Of every format that `nocturne.audio` decodes."""
LEFT_OUT = (
    "@eaDir", "@Recently-Snapshot", "@Recycle", "#recycle", "#snapshot", "RECYCLE.BIN", "RECYCLER",
    "System Volume Information", "lost+found", "__MACOSX",
)  # fmt: skip
"""Folders that storage systems keep beside people's own: previews, snapshots, what was deleted. A
`$` before the name does not count: files of settings take it for a variable's.
"""
PLAYLISTS = frozenset({".m3u", ".m3u8", ".pls"})


@dataclass(frozen=True)
class AudioFiles:
    """What an audio folder holds.

    `paths` has the file of each track id, relative to the folder, with `/`; `refusals` the rest,
    keyed by track id where the name has one; `found` the track id of each audio file, kept or
    refused, empty where its name has none. `left_out` tells what was passed over on purpose.
    """

    paths: dict[str, str]
    refusals: list[Refusal]
    found: list[str]
    left_out: list[Refusal] = field(default_factory=list)


@dataclass(frozen=True)
class Walk:
    """A look into a folder: (relative path, fault) of what is named like audio, and what was passed
    over.
    """

    folder: Path
    left_out: frozenset[str]
    passed_over: list[Refusal] = field(default_factory=list)

    def pass_over(self, path: Path, rule: str, reason: str) -> None:
        source = show_path(path.relative_to(self.folder).as_posix())
        self.passed_over.append(Refusal(source, "", rule, reason))


@dataclass(frozen=True)
class Digest:
    audio_bytes: int
    audio_sha256: str


def find_audio(folder: Path, left_out: Iterable[str] = LEFT_OUT) -> AudioFiles:
    """Find audio at any depth. Of two files of a track the one in fewer folders is kept, of those
    the first by name. Hidden files and the folders that are `left_out`, in whatever case, are not
    looked into.

    Raises BadInput if the folder is absent, unreadable or without any audio file.
    """
    require_folder(folder)
    paths: dict[str, str] = {}
    refusals: list[Refusal] = []
    found: list[str] = []
    walk = Walk(folder, frozenset(name.casefold() for name in left_out))
    for path, fault in sorted(walk_audio(walk), key=lambda one: (one[0].count("/"), one)):
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
    return AudioFiles(paths, refusals, found, sorted(walk.passed_over))


def require_folder(folder: Path) -> None:
    try:
        next(folder.iterdir(), None)
    except OSError as error:
        raise BadInput(
            f"The audio folder {folder} cannot be read ({error.strerror}). Give a readable folder"
            " of audio files (NOCTURNE_AUDIO_DIR or --audio)."
        ) from error


def walk_audio(walk: Walk) -> Iterator[tuple[str, str]]:
    """(relative path, fault) of all that is named like audio, and of folders we may not list.

    The fault is empty for a regular file. Linked folders are followed, each folder once. What a
    folder is called says nothing of what is in it.
    """
    unlisted: list[OSError] = []
    seen: set[tuple[int, int]] = set()
    for base, folders, files in os.walk(walk.folder, followlinks=True, onerror=unlisted.append):
        here = Path(base)
        known = (here.stat().st_dev, here.stat().st_ino)
        folders[:] = [] if known in seen else choose_folders(walk, here, folders)
        for name in [] if known in seen else choose_files(walk, here, files):
            yield (here / name).relative_to(walk.folder).as_posix(), find_fault(here / name)
        seen.add(known)
    for error in unlisted:
        yield Path(error.filename).relative_to(walk.folder).as_posix(), f"cannot be listed: {error}"


def choose_folders(walk: Walk, base: Path, names: list[str]) -> list[str]:
    """Those to look into, sorted."""
    chosen = []
    for name in sorted(names):
        if name.startswith("."):
            walk.pass_over(base / name, "folder_hidden", "hidden folders are not looked into")
        elif name.casefold().removeprefix("$") in walk.left_out:
            walk.pass_over(base / name, "folder_left_out", "NOCTURNE_LEFT_OUT names this folder")
        else:
            chosen.append(name)
    return chosen


def choose_files(walk: Walk, base: Path, names: list[str]) -> list[str]:
    """Those that are named like audio; what else may be music is noted."""
    chosen = []
    for name in names:
        if not is_audio_name(name):
            if may_be_music(name):
                walk.pass_over(base / name, "format_unknown", "its format is not read")
        elif name.startswith("."):
            walk.pass_over(base / name, "file_hidden", "hidden files are not looked at")
        else:
            chosen.append(name)
    return chosen


def may_be_music(name: str) -> bool:
    """Does its ending name sound, though none that we read? A playlist is none."""
    kind, _ = mimetypes.guess_type(name)
    return (kind or "").startswith("audio/") and Path(name).suffix.lower() not in PLAYLISTS


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
    source = show_path(path)
    if fault:
        return Refusal(source, track_id, "audio_unreadable", fault)
    if source != path:
        return Refusal(source, track_id, "audio_name_unknown", "the name is not UTF-8")
    if not track_id:
        return Refusal(source, "", "audio_name_unknown", "the name is not a track id")
    if earlier:
        return Refusal(source, track_id, "audio_duplicate", f"{earlier} has this track id too")
    return None


def show_path(path: str) -> str:
    """A path as text that can be written, whatever bytes it has."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def digest_audio(path: Path) -> Digest:
    """Size and SHA-256 of a file's bytes. Raises OSError if it cannot be read."""
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return Digest(file.tell(), sha256)
