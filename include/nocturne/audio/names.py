"""The 518 feature columns, named and ordered as in FMA's features.csv.

Source: `columns()` in features.py of github.com/mdeff/fma (Defferrard et al., 2017). This
module imports no numerical library, so that a DAG file or a contract may read the names.
"""

from collections.abc import Mapping

from nocturne.errors import BadInput

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
LOWEST_SAMPLE_RATE = 16_000


def feature_set(sample_rate: int) -> str:
    """Name the definition that a vector was computed by, such as `fma518-v1-22050`.

    Vectors are comparable only within one feature set: raise the version in DEFINITION
    whenever a value changes by more than rounding.

    Raises BadInput below 16 kHz, the lowest usual rate at which every feature exists: the
    last band of spectral contrast begins at 6.4 kHz, the constant-Q transform ends at 4.2 kHz.
    """
    if sample_rate < LOWEST_SAMPLE_RATE:
        raise BadInput(
            f"Features need a sample rate of at least {LOWEST_SAMPLE_RATE} Hz, not"
            f" {sample_rate}. Raise NOCTURNE_SAMPLE_RATE."
        )
    return f"{DEFINITION}-{sample_rate}"
