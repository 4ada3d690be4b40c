"""Audio by libsndfile: WAV, FLAC, Ogg Vorbis, Opus, MP3 and whatever else it knows."""

from collections.abc import Iterator
from io import FileIO

import numpy as np
import soundfile

from nocturne.audio.reading import (
    PREROLL_SECONDS,
    Part,
    Samples,
    require_plausible_rate,
    require_promised_frames,
)
from nocturne.audio.rules import Rule, UnusableAudio

BLOCK_SAMPLES = 1 << 22
"""Of all channels together, 16 MB: FMA's clips of 30 s are one block."""
SALVAGED_FRAMES = 4096
"""At a time where a file is broken: a frame of FLAC, so that no more than that is lost."""
MOST_FRAMES = 1 << 48
"""Where the length is unknown, libsndfile answers with the largest number that it has."""


class UnknownFormat(Exception):
    """libsndfile cannot tell what this is, or how long."""


def read_sound_file(file: FileIO, part: Part) -> tuple[Samples, int]:
    """The mean of all channels in the part wanted, and the file's rate in Hz.

    Raises UnusableAudio (damaged, too_long), or UnknownFormat.
    """
    with open_sound(file) as sound:
        rate = sound.samplerate
        require_plausible_rate(rate)
        if not 0 < sound.frames < MOST_FRAMES:
            raise UnknownFormat
        wanted = part.choose(sound.frames, rate)
        samples = part.gather(mono_blocks(file, sound, part, wanted), rate)
        require_promised_frames(len(samples), len(wanted))
        return samples, rate


def open_sound(file: FileIO) -> soundfile.SoundFile:
    """Open by content: libsndfile sees no name, for it would take text named `.vox` for sound."""
    try:
        return soundfile.SoundFile(file.fileno(), closefd=False)
    except soundfile.LibsndfileError as error:
        raise UnknownFormat from error


def mono_blocks(
    file: FileIO, sound: soundfile.SoundFile, part: Part, wanted: range
) -> Iterator[Samples]:
    """Blocks of averaged channels until the part or the data end, whichever comes first.

    python-soundfile seeks after each read, and libmpg123's first frames after a seek are wrong: so
    blocks are large, and each of an MP3's begins with frames that are dropped.

    Raises UnusableAudio (damaged) when the decoder gives up.
    """
    preroll = round(PREROLL_SECONDS * sound.samplerate) if sound.format == "MP3" else 0
    step = max(1, min(BLOCK_SAMPLES // sound.channels, len(wanted)))
    buffer = np.empty((step + preroll, sound.channels), np.float32)
    try:
        for start in wanted[::step]:
            before, frames = min(start, preroll), min(step, wanted.stop - start)
            if sound.tell() != start - before:
                sound.seek(start - before)
            try:
                block = sound.read(out=buffer[: before + frames])[before:]
            except soundfile.LibsndfileError:
                yield from salvage(file, part, range(start, wanted.stop))
                return
            yield part.mix(block.T)
            if len(block) < frames:
                return
    except soundfile.LibsndfileError as error:
        raise UnusableAudio(Rule.DAMAGED, f"Decoding stopped: {error.error_string}") from error


def salvage(file: FileIO, part: Part, wanted: range) -> Iterator[Samples]:
    """What lies before a place that cannot be decoded, with which a large block is lost. By another
    decoder: one that has failed seeks no more.
    """
    file.seek(0)
    with open_sound(file) as sound:
        sound.seek(wanted.start)
        for start in wanted[::SALVAGED_FRAMES]:
            frames = min(SALVAGED_FRAMES, wanted.stop - start)
            try:
                block = sound.read(frames, "float32", always_2d=True)
            except soundfile.LibsndfileError:
                return
            yield part.mix(block.T)
            if len(block) < frames:
                return
