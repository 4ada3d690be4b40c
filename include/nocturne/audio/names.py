"""The 518 feature columns, named and ordered as in FMA's features.csv.

Source: `columns()` in features.py of github.com/mdeff/fma (Defferrard et al., 2017). This
module imports no numerical library, so that a DAG file or a contract may read the names.
"""

import math
from collections.abc import Mapping
from typing import Literal, NamedTuple

from nocturne.errors import Misuse

SERIES_PER_FEATURE: Mapping[str, int] = {
    "chroma_cens": 12,
    "chroma_cqt": 12,
    "chroma_stft": 12,
    "mfcc": 20,
    "rmse": 1,
    "spectral_bandwidth": 1,
    "spectral_centroid": 1,
    "spectral_contrast": 7,
    "spectral_rolloff": 1,
    "tonnetz": 6,
    "zcr": 1,
}
STATISTICS = ("kurtosis", "max", "mean", "median", "min", "skew", "std")

FEATURE_NAMES: tuple[str, ...] = tuple(
    f"{feature}.{statistic}.{number:02d}"
    for feature, series in sorted(SERIES_PER_FEATURE.items())
    for statistic in STATISTICS
    for number in range(1, series + 1)
)

DEFINITION = "fma518-v1"
LOWEST_SAMPLE_RATE, HIGHEST_SAMPLE_RATE = 16_000, 96_000
SHORTEST_SECONDS = 1.0
"""Half as long is two frames of a low note: their statistics say nothing of a track."""
SampleRate = int | Literal["native"]
USUAL_RATES = (16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 88_200, 96_000)


class Analysis(NamedTuple):
    """What of a file is analysed: at how many Hz, and how many seconds from its middle.

    `native` is each file's own rate; no seconds are the whole file.
    """

    sample_rate: SampleRate = 22050
    excerpt_seconds: float = 0.0


def feature_set(sample_rate: SampleRate, excerpt_seconds: float = 0.0) -> str:
    """Name the definition that a vector was computed by, such as `fma518-v1-22050-30s`.

    Vectors are comparable only within one feature set: raise the version in DEFINITION
    whenever a value changes by more than rounding.

    Raises BadInput for a rate or an excerpt that features cannot be computed from.
    """
    require_sample_rate(sample_rate)
    require_excerpt(excerpt_seconds)
    excerpt = f"-{float(excerpt_seconds)!r}".removesuffix(".0") + "s" if excerpt_seconds else ""
    return f"{DEFINITION}-{sample_rate}{excerpt}"


def parse_sample_rate(text: str | int) -> SampleRate:
    """`native`, or a number of Hz. Raises Misuse if it is neither."""
    if text == "native":
        return "native"
    try:
        return int(text)
    except ValueError:
        raise Misuse(f"A sample rate is `native` or a whole number of Hz, not {text!r}.") from None


def require_sample_rate(sample_rate: SampleRate) -> None:
    """Raise Misuse below 16 kHz, the lowest usual rate at which every feature exists.

    The last band of spectral contrast begins at 6.4 kHz, the constant-Q transform ends at
    4.2 kHz. Above 96 kHz there is nothing that a microphone hears.
    """
    if sample_rate != "native" and not LOWEST_SAMPLE_RATE <= sample_rate <= HIGHEST_SAMPLE_RATE:
        raise Misuse(
            f"Features need a sample rate from {LOWEST_SAMPLE_RATE} Hz to {HIGHEST_SAMPLE_RATE} Hz,"
            f" not {sample_rate} Hz. Set NOCTURNE_SAMPLE_RATE to such a number, or to `native`."
        )


def require_excerpt(seconds: float) -> None:
    """Raise Misuse unless an excerpt is the whole file (0), or a second or more."""
    if seconds != 0 and not SHORTEST_SECONDS <= seconds < math.inf:
        raise Misuse(
            f"An excerpt lasts {SHORTEST_SECONDS:g} s or more, or is 0 for the whole file; it"
            f" cannot be {seconds:g} s. Set NOCTURNE_EXCERPT_SECONDS to such a number."
        )


def choose_rate(wanted: SampleRate, file_rate: int) -> int:
    """The Hz that a file is analysed at.

    Natively that is the file's own rate where it is a usual one, else the next higher usual one,
    which loses nothing; above the highest usual rate it is that. So there are eight at most, and
    a worker keeps the tables of eight.
    """
    if wanted != "native":
        return wanted
    return next((rate for rate in USUAL_RATES if rate >= file_rate), HIGHEST_SAMPLE_RATE)
