"""What the readers of all formats share: the part that is wanted, and how it is gathered."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from nocturne.audio.names import Analysis, choose_rate
from nocturne.audio.rules import Rule, UnusableAudio

Samples = npt.NDArray[np.float32]

LONGEST_SAMPLES = 53_000_000
"""Forty minutes at 22.05 kHz, twenty at 44.1 kHz. With decoding that takes up to 40 bytes a sample:
half of the 4 GiB that a worker may have (`worker.Limits`), and there is a worker for each core."""
LOWEST_FILE_RATE, HIGHEST_FILE_RATE = 2_000, 768_000
PREROLL_SECONDS = Fraction(1, 4)
"""Decoded before an excerpt and dropped: a frame of AAC or MP3 leans on those before it."""
LEAST_SHARE_OF_FRAMES = 0.5
"""A file cut off or broken before half of its promised length tells too little of the track."""


@dataclass(frozen=True)
class Part:
    """The part of a file that is wanted: all of it, or some seconds from its middle; the mean of
    its channels, or the first alone.
    """

    analysis: Analysis
    first_channel: bool = False

    def choose(self, frames: int, rate: int) -> range:
        """Which of a file's frames are wanted, at a rate of `rate` Hz."""
        wanted = round(self.analysis.excerpt_seconds * rate) or frames
        first = max(0, frames - wanted) // 2
        return range(first, min(first + wanted, frames))

    def most_frames(self, rate: int) -> int:
        """How many frames of a file may be analysed, at a rate of `rate` Hz."""
        return LONGEST_SAMPLES * rate // choose_rate(self.analysis.sample_rate, rate)

    def mix(self, channels: Sequence[Samples] | Samples) -> Samples:
        """One channel of several, each of shape (samples,)."""
        return mix_down(channels[:1] if self.first_channel else channels)

    def gather(self, blocks: Iterable[Samples], rate: int) -> Samples:
        """The blocks as one. Raises UnusableAudio (too_long) as soon as they are too many."""
        gathered, frames = [np.empty(0, np.float32)], 0
        for block in blocks:
            gathered.append(block)
            frames += len(block)
            if frames > self.most_frames(rate):
                raise UnusableAudio(
                    Rule.TOO_LONG,
                    f"More than {self.most_frames(rate) / rate / 60:.0f} minutes would have to be"
                    " analysed at once. Set NOCTURNE_EXCERPT_SECONDS, so that only the middle is.",
                )
        return np.concatenate(gathered)


def mix_down(channels: Iterable[Samples]) -> Samples:
    """The mean of the channels, each of shape (samples,)."""
    mixed, count = np.empty(0, np.float32), 0
    for count, channel in enumerate(channels, 1):
        if count == 1:
            mixed = channel.astype(np.float32)
        else:
            mixed += channel
    if count > 1:
        mixed /= count
    return mixed


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
