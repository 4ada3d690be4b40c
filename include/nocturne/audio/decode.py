"""Audio files to mono samples, or a rule that says why not."""

import os
import stat
from io import FileIO
from pathlib import Path
from typing import NamedTuple

import soxr

from nocturne.audio.containers import read_container
from nocturne.audio.names import SHORTEST_SECONDS, Analysis, choose_rate
from nocturne.audio.reading import Part, Samples, require_plausible_rate
from nocturne.audio.rules import Rule, UnusableAudio
from nocturne.audio.sound_files import UnknownFormat, read_sound_file

SILENT_RANGE = 2 * 2.0**-15
"""Samples that stay within one 16-bit step around their mean are dither, not sound."""
FAINT_PEAK = 0.02
"""What is louder, channels have not cancelled. Lossy formats leave some of what they should."""
CANCELLED = 30.0
"""So much louder is a channel than the mean of all where they cancel: wide stereo stays below 3."""
LOUDEST_SAMPLE = 1e10
"""Full scale is 1; integers stored as floats reach 2**31; beyond, energies overflow float32."""


class Clip(NamedTuple):
    """What is analysed of a file: mono samples, full scale ±1, shape (samples,)."""

    samples: Samples
    sample_rate: int

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.sample_rate


def decode(path: Path, analysis: Analysis) -> Clip:
    """The part of a file that is analysed, the mean of its channels, at the analysis' rate.

    Channels are averaged before soxr's high-quality resampling, as `librosa.load` does.

    Channels that cancel each other leave nothing of a loud file: then it is the first one.

    Raises UnusableAudio with the rule that the file breaks.
    """
    samples, file_rate = read_mono(path, Part(analysis))
    if measure_peak(samples) < FAINT_PEAK:
        first, _ = read_mono(path, Part(analysis, first_channel=True))
        if measure_peak(first) > CANCELLED * measure_peak(samples):
            samples = first
    require_sound(samples, file_rate)
    sample_rate = choose_rate(analysis.sample_rate, file_rate)
    if sample_rate != file_rate:
        samples = soxr.resample(samples, file_rate, sample_rate, quality="HQ")
    return Clip(samples, sample_rate)


def read_mono(path: Path, part: Part) -> tuple[Samples, int]:
    """The part of a file, and the file's own rate in Hz.

    Raises UnusableAudio: unreadable, empty, not_audio, damaged or too_long.
    """
    try:
        with FileIO(path, opener=open_at_once) as file:
            return read_open_file(file, part)
    except OSError as error:
        raise UnusableAudio(
            Rule.UNREADABLE, f"The file cannot be read: {error.strerror or error}."
        ) from error


def open_at_once(name: str, flags: int) -> int:
    """Open without waiting for somebody to write into a pipe that is named like a file."""
    return os.open(name, flags | os.O_NONBLOCK)


def read_open_file(file: FileIO, part: Part) -> tuple[Samples, int]:
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        raise UnusableAudio(Rule.UNREADABLE, "This is no file, though it is named like audio.")
    if not file.read(1):
        raise UnusableAudio(Rule.EMPTY, "The file has no bytes.")
    file.seek(0)
    try:
        samples, rate = read_sound_file(file, part)
    except UnknownFormat:
        file.seek(0)
        samples, rate = read_container(file, part)
    require_plausible_rate(rate)
    return samples, rate


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
    lowest, highest = samples.min(), samples.max()
    if not max(-lowest, highest) < LOUDEST_SAMPLE:  # NaN compares false
        raise UnusableAudio(
            Rule.NOT_FINITE, "Some samples are infinite, not a number, or absurdly loud."
        )
    if highest - lowest <= SILENT_RANGE:
        raise UnusableAudio(Rule.SILENT, "The sound never moves by more than one 16-bit step.")


def measure_peak(samples: Samples) -> float:
    """The greatest distance from silence; NaN if a sample is."""
    return float(max(-samples.min(initial=0), samples.max(initial=0)))
