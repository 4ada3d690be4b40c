"""Audio files to mono samples, or a rule that says why not."""

from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from nocturne.audio.rules import Rule, UnusableAudio

Samples = npt.NDArray[np.float32]

SHORTEST_SECONDS = 1.0
BLOCK_FRAMES = 1 << 20
SILENT_RANGE = 2 * 2.0**-15
"""Samples that stay within one 16-bit step around their mean are dither, not sound."""
LOUDEST_SAMPLE = 1e10
"""Full scale is 1; integers stored as floats reach 2**31; beyond, energies overflow float32."""
LOWEST_FILE_RATE, HIGHEST_FILE_RATE = 2_000, 768_000
LEAST_SHARE_OF_FRAMES = 0.5
"""A file cut off or broken before half of its promised length tells too little of the track."""


def decode(path: Path, sample_rate: int) -> Samples:
    """Samples of all channels' mean at `sample_rate` Hz, full scale ±1: shape (samples,).

    Channels are averaged before soxr's high-quality resampling, as `librosa.load` does.

    Raises UnusableAudio with the rule that the file breaks.
    """
    samples, file_rate = read_mono(path)
    require_sound(samples, file_rate)
    resampled: Samples = soxr.resample(samples, file_rate, sample_rate, quality="HQ")
    return resampled


def read_mono(path: Path) -> tuple[Samples, int]:
    """The mean of all channels, and the file's own rate in Hz.

    Raises UnusableAudio: unreadable, empty, not_audio or damaged.
    """
    try:
        with path.open("rb", buffering=0) as file:
            return read_open_file(file, path)
    except OSError as error:
        raise UnusableAudio(
            Rule.UNREADABLE, f"The file cannot be read: {error.strerror or error}."
        ) from error


def read_open_file(file: FileIO, path: Path) -> tuple[Samples, int]:
    if not file.read(1):
        raise UnusableAudio(Rule.EMPTY, "The file has no bytes.")
    file.seek(0)
    with open_sound(file, path) as sound:
        require_plausible_rate(sound.samplerate)
        samples = np.concatenate([np.empty(0, np.float32), *mono_blocks(sound)])
        require_promised_frames(len(samples), sound.frames)
        return samples, sound.samplerate


def open_sound(file: FileIO, path: Path) -> soundfile.SoundFile:
    """Open by content, whatever the name says; raises UnusableAudio (not_audio).

    libsndfile would take text named `.vox` for headerless sound, so it sees no name. MP3 is
    the exception: with junk before its first frame it is recognised by name alone.
    """
    target: Any = str(path) if path.suffix.lower() == ".mp3" else file.fileno()
    try:
        return soundfile.SoundFile(target, closefd=False)
    except soundfile.LibsndfileError as error:
        raise UnusableAudio(
            Rule.NOT_AUDIO, "The content is in no audio format that libsndfile knows."
        ) from error


def mono_blocks(sound: soundfile.SoundFile) -> Iterator[Samples]:
    """Blocks of averaged channels until the data end, wherever the header says they end.

    Raises UnusableAudio (damaged) when the decoder gives up.
    """
    try:
        while len(block := sound.read(BLOCK_FRAMES, dtype="float32", always_2d=True)):
            yield block.mean(axis=1)
    except soundfile.LibsndfileError as error:
        raise UnusableAudio(Rule.DAMAGED, f"Decoding stopped: {error.error_string}") from error


def require_plausible_rate(file_rate: int) -> None:
    if not LOWEST_FILE_RATE <= file_rate <= HIGHEST_FILE_RATE:
        raise UnusableAudio(
            Rule.DAMAGED, f"The header gives a sample rate of {file_rate} Hz, which cannot be."
        )


def require_promised_frames(frames: int, promised: int) -> None:
    if frames < promised * LEAST_SHARE_OF_FRAMES:
        raise UnusableAudio(
            Rule.DAMAGED,
            f"Only {frames} of the {promised} samples that the header promises could be decoded.",
        )


def require_sound(samples: Samples, file_rate: int) -> None:
    """Raise UnusableAudio: empty, too_short, not_finite or silent."""
    seconds = len(samples) / file_rate
    if not len(samples):
        raise UnusableAudio(Rule.EMPTY, "The file has a header and no samples.")
    if seconds < SHORTEST_SECONDS:
        raise UnusableAudio(
            Rule.TOO_SHORT,
            f"The file lasts {seconds:.3f} s; features need {SHORTEST_SECONDS:g} s.",
        )
    if not np.abs(samples).max() < LOUDEST_SAMPLE:  # NaN compares false
        raise UnusableAudio(
            Rule.NOT_FINITE, "Some samples are infinite, not a number, or absurdly loud."
        )
    if np.ptp(samples) <= SILENT_RANGE:
        raise UnusableAudio(
            Rule.SILENT, "The mean of the channels never moves by more than one 16-bit step."
        )
