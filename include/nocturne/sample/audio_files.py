"""The audio files: good tracks, and the faulty ones that show quarantine at work."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile

from nocturne.sample.arrangements import render_track
from nocturne.sample.catalogue import (
    CORRUPT_TRACK_ID,
    FIRST_TRACK_ID,
    SHORT_SECONDS,
    SHORT_TRACK_ID,
    SILENT_TRACK_ID,
    UNLISTED_TRACK_ID,
)
from nocturne.sample.composition import SONG_SECONDS
from nocturne.sample.genres import GENRES
from nocturne.sample.synthesis import SAMPLE_RATE, Signal

# Level 0 predicts in integers; higher ones fit their predictors in floating point, where another
# processor may round otherwise and give other bytes. The default level would save 4 %.
FLAC_LEVEL = 0.0
CORRUPT_BYTES = b"This was a song once. Then came a disk that everybody had warned about.\n" * 60
FULL_SCALE = 32767

OnTrack = Callable[[int, int], None]


def write_audio(audio_dir: Path, good_ids: list[int], on_track: OnTrack | None) -> None:
    """Write the good tracks and the faulty ones that have a file."""
    faulty = (CORRUPT_TRACK_ID, SILENT_TRACK_ID, SHORT_TRACK_ID, UNLISTED_TRACK_ID)
    track_ids = [*good_ids, *faulty]
    for done, track_id in enumerate(track_ids, start=1):
        path = audio_path(audio_dir, track_id)
        path.parent.mkdir(parents=True, exist_ok=True)
        if track_id == CORRUPT_TRACK_ID:
            path.write_bytes(CORRUPT_BYTES)
        else:
            _write_flac(path, _render(track_id))
        if on_track:
            on_track(done, len(track_ids))


def _render(track_id: int) -> Signal:
    take, genre = divmod(track_id - FIRST_TRACK_ID, len(GENRES))
    if track_id == SILENT_TRACK_ID:
        return np.zeros(round(SONG_SECONDS * SAMPLE_RATE))
    sound = render_track(genre, take)
    return sound[: round(SHORT_SECONDS * SAMPLE_RATE)] if track_id == SHORT_TRACK_ID else sound


def _write_flac(path: Path, sound: Signal) -> None:
    samples = np.round(sound * FULL_SCALE).astype(np.int16)
    soundfile.write(path, samples, SAMPLE_RATE, subtype="PCM_16", compression_level=FLAC_LEVEL)


def audio_path(audio_dir: Path, track_id: int) -> Path:
    """FMA's layout: zero-padded to six digits, in folders of a thousand."""
    name = f"{track_id:06}"
    return audio_dir / name[:3] / f"{name}.flac"
