"""Clips of 30 seconds for the features bench: the developers' real music, else the sample's."""

import os
from itertools import chain, islice, zip_longest
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from nocturne.sample.arrangements import render_track
from nocturne.sample.genres import GENRES
from nocturne.sample.synthesis import SAMPLE_RATE

Sound = npt.NDArray[np.float32]

CLIP_SECONDS = 30
FILE_RATE = 44_100
BLOCK_FRAMES = 1 << 16
"""libsndfile's Vorbis encoder overflows its stack when it is given minutes at once."""


def gather_clips(folder: Path, count: int) -> tuple[list[Path], int]:
    """`count` clips, written to `folder` where they need be, and how many of them are real.

    Real ones come from NOCTURNE_REAL_DATA, if that is set: FMA's clips as they are, and the
    first half minute of recordings.
    """
    files = list(islice(find_real_music(), count))
    real = [keep_clip(file, folder) for file in files]
    made = [make_clip(number, folder) for number in range(count - len(real))]
    return [*real, *made], len(real)


def find_real_music() -> chain[Path]:
    """Clips of FMA and recordings, by turns."""
    folder = Path(os.environ.get("NOCTURNE_REAL_DATA") or os.devnull)
    kinds = sorted(folder.glob("fma/audio/*.mp3")), sorted(folder.glob("recordings/*.ogg"))
    pairs = zip_longest(*kinds)
    return chain(file for pair in pairs for file in pair if file is not None)


def keep_clip(file: Path, folder: Path) -> Path:
    """The file itself if it is an MP3, or half a minute of it, repeated where it is shorter."""
    if file.suffix == ".mp3":
        return file
    sound, rate = soundfile.read(
        file, frames=CLIP_SECONDS * soundfile.info(file).samplerate, dtype="float32", always_2d=True
    )
    return write_clip(folder / file.name, np.resize(sound, (CLIP_SECONDS * rate, sound.shape[1])))


def make_clip(number: int, folder: Path) -> Path:
    """Three songs of one genre of the sample, in stereo at 44.1 kHz as music is sold."""
    take, genre = divmod(number, len(GENRES))
    songs = np.concatenate([render_track(genre, 3 * take + part) for part in range(3)])
    sound = soxr.resample(songs.astype(np.float32), SAMPLE_RATE, FILE_RATE)
    clip = sound[: CLIP_SECONDS * FILE_RATE]
    delayed = np.roll(clip, FILE_RATE // 200)
    return write_clip(folder / f"sample-{number}.ogg", np.stack([clip, delayed], axis=1))


def write_clip(path: Path, sound: Sound) -> Path:
    rate = len(sound) // CLIP_SECONDS
    with soundfile.SoundFile(path, "w", rate, sound.shape[1], format="OGG") as file:
        for begin in range(0, len(sound), BLOCK_FRAMES):
            file.write(sound[begin : begin + BLOCK_FRAMES])
    return path
