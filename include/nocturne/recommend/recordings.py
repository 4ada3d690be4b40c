"""Recordings: of tracks that are copies of each other one stands for all.

Copies have the same content, or near-equal title and artist. The one that stands for them is in
lists and in training; the others have its lists.
"""

from collections.abc import Iterable
from typing import Any

from nocturne.recommend.names import name_recording

Document = dict[str, Any]
COPY_FIELDS = ["audio_sha256", "metadata.title", "metadata.artist_name"]
"""What `find_copies` looks at."""


def find_copies(tracks: Iterable[Document]) -> dict[str, str]:
    """Which track stands for a copy, by the copy's id: the first of a recording's ids, as text.

    `tracks` are documents with COPY_FIELDS, in the order of their ids. A track that is a copy of
    two others makes one recording of all.
    """
    chosen: dict[str, str] = {}
    known: dict[object, str] = {}
    for track in tracks:
        own = track["_id"]
        for mark in list_marks(track):
            other = known.setdefault(mark, own)
            join(chosen, own, other)
    return {one: first for one in chosen if (first := find_first(chosen, one)) != one}


def list_marks(track: Document) -> list[object]:
    """What copies have in common."""
    metadata = track["metadata"]
    name = name_recording(str(metadata["title"]), str(metadata["artist_name"]))
    return [track["audio_sha256"], *([] if name is None else [name])]


def join(chosen: dict[str, str], one: str, other: str) -> None:
    first, second = sorted((find_first(chosen, one), find_first(chosen, other)))
    chosen[second] = chosen.setdefault(first, first)


def find_first(chosen: dict[str, str], one: str) -> str:
    """Where a track's links end; they are shortened on the way."""
    while (above := chosen.setdefault(one, one)) != one:
        chosen[one] = chosen[above]
        one = above
    return one
