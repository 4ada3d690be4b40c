"""Audio by FFmpeg's libraries (PyAV): AAC, M4A, and what else libsndfile refuses."""

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from io import FileIO
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nocturne.audio.reading import (
    PREROLL_SECONDS,
    Part,
    Samples,
    require_promised_frames,
)
from nocturne.audio.rules import Rule, UnusableAudio

if TYPE_CHECKING:  # a second of start-up, for files that most libraries have none of
    from av import AudioFrame, AudioStream
    from av.container import InputContainer

FORMATS = (
    "aac,ac3,aiff,amr,ape,asf,au,avi,caf,dsf,eac3,flac,flv,loas,matroska,mov,mp3,mpc,mpc8,mpeg,"
    "mpegts,oga,ogg,tak,tta,w64,wav,wv"
)
"""FFmpeg opens only these: its playlist formats would open other files and addresses."""


class Length(NamedTuple):
    """When the first packet of a stream is heard, and how long the stream lasts, in seconds."""

    start: Fraction
    seconds: Fraction


class Unnamed:
    """A file without the name that FFmpeg would take hints from."""

    def __init__(self, file: FileIO) -> None:
        self.read, self.seek, self.tell = file.read, file.seek, file.tell


def read_container(file: FileIO, part: Part) -> tuple[Samples, int]:
    """The mean of all channels in the part wanted of the first audio stream, and its rate in Hz.

    Packets are counted first, because the length that a container tells is often a guess.

    Raises UnusableAudio: not_audio, empty, damaged or too_long.
    """
    import av

    try:
        return read_stream(file, part)
    except av.error.FFmpegError as error:
        why = f"FFmpeg cannot decode it: {error.strerror}."
        raise UnusableAudio(Rule.DAMAGED, why) from error


def read_stream(file: FileIO, part: Part) -> tuple[Samples, int]:
    with open_stream(file) as (container, stream):
        length = measure(container, stream)
    file.seek(0)
    with open_stream(file) as (container, stream):
        excerpt = Fraction(part.analysis.excerpt_seconds)
        begin = max(Fraction(0), (length.seconds - excerpt) / 2) if excerpt else Fraction(0)
        frames = decode_from(container, stream, length.start + begin)
        first = next(frames, None)
        if first is None:
            raise UnusableAudio(Rule.DAMAGED, "Nothing in the file can be decoded.")
        rate = first.sample_rate
        wanted = part.choose(round(length.seconds * rate), rate)
        samples = part.gather(cut_blocks(part, first, frames, length.start, wanted), rate)
        require_promised_frames(len(samples), len(wanted))
        return samples, rate


@contextmanager
def open_stream(file: FileIO) -> "Iterator[tuple[InputContainer, AudioStream]]":
    """The first audio stream of a file, opened by content. Raises UnusableAudio."""
    import av

    try:
        container = av.open(
            Unnamed(file), "r", options={"format_whitelist": FORMATS}, metadata_errors="ignore"
        )
    except av.error.FFmpegError as error:
        raise refuse_unopened(file) from error
    with container:
        if not container.streams.audio:
            raise UnusableAudio(Rule.NOT_AUDIO, "The file holds no sound.")
        yield container, container.streams.audio[0]


def refuse_unopened(file: FileIO) -> UnusableAudio:
    file.seek(4)
    if file.read(4) == b"ftyp":
        return UnusableAudio(Rule.DAMAGED, "This begins as an M4A file and is cut off or broken.")
    return UnusableAudio(
        Rule.NOT_AUDIO, "The content is in no audio format that libsndfile or FFmpeg knows."
    )


def measure(container: "InputContainer", stream: "AudioStream") -> Length:
    """Count the packets of a stream without decoding any.

    Raises UnusableAudio: empty, or damaged if an M4A file is cut off.
    """
    start, end, packets, heard = None, 0, 0, 0
    for packet in container.demux(stream):
        if not packet.size:
            continue
        packets += 1
        heard += packet.duration or 0
        if packet.pts is not None:
            start = packet.pts if start is None else start
            end = max(end, packet.pts + (packet.duration or 0))
    if not packets:
        raise UnusableAudio(Rule.EMPTY, "The file has a header and no samples.")
    base = Fraction(stream.time_base or 1)
    if "mov" in container.format.name:  # others guess what they claim
        require_promised_frames(heard, stream.duration or 0)
    # An M4A file begins before 0 with what is only there to start the decoder.
    begin = max(start or 0, 0)
    return Length(begin * base, (heard if start is None else max(end - begin, 0)) * base)


def decode_from(
    container: "InputContainer", stream: "AudioStream", begin: Fraction
) -> "Iterator[AudioFrame]":
    """The frames that are heard after a moment, and some before; broken packets give none."""
    import av

    base = Fraction(stream.time_base or 1)
    for packet in container.demux(stream):
        if packet.pts is not None and packet.size:
            end = (packet.pts + (packet.duration or 0)) * base
            if end < begin - PREROLL_SECONDS:
                continue
        try:
            yield from packet.decode()
        except av.error.FFmpegError:
            continue


def cut_blocks(
    part: Part, first: "AudioFrame", rest: "Iterator[AudioFrame]", start: Fraction, wanted: range
) -> Iterator[Samples]:
    """Blocks of averaged channels within the part wanted, counted from the moment `start`.

    Raises UnusableAudio (damaged) if the rate changes on the way.
    """
    rate, place = first.sample_rate, 0
    for frame in chain([first], rest):
        if frame.sample_rate != rate:
            raise UnusableAudio(Rule.DAMAGED, "The sample rate changes in the middle of the file.")
        if frame is first and frame.pts is not None and frame.time_base is not None:
            place = round((frame.pts * Fraction(frame.time_base) - start) * rate)
        if place >= wanted.stop:
            return
        block = part.mix(scale_frame(frame))[max(0, wanted.start - place) : wanted.stop - place]
        if len(block):
            yield block
        place += frame.samples


def scale_frame(frame: "AudioFrame") -> Samples:
    """A frame's channels, full scale ±1: (channels, samples)."""
    values = frame.to_ndarray()
    channels = values if frame.format.is_planar else values.reshape(frame.samples, -1).T
    if channels.dtype.kind == "u":
        channels = (channels.astype(np.float32) - 128) / 128
    elif channels.dtype.kind == "i":
        channels = channels / np.float32(2.0 ** (8 * channels.dtype.itemsize - 1))
    return np.asarray(channels, np.float32)
