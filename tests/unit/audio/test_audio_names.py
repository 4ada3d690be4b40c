import subprocess
import sys

import pandas as pd
import pytest

from nocturne.audio.names import FEATURE_NAMES, feature_set
from nocturne.errors import BadInput

PUBLISHED_SIZES = {
    "chroma_stft": 12,
    "chroma_cqt": 12,
    "chroma_cens": 12,
    "tonnetz": 6,
    "mfcc": 20,
    "rmse": 1,
    "zcr": 1,
    "spectral_centroid": 1,
    "spectral_bandwidth": 1,
    "spectral_contrast": 7,
    "spectral_rolloff": 1,
}
PUBLISHED_STATISTICS = ("mean", "std", "skew", "kurtosis", "median", "min", "max")


def test_names_are_those_of_fma_in_the_order_pandas_sorts_them():
    columns = pd.MultiIndex.from_tuples(
        [
            (feature, statistic, f"{number + 1:02d}")
            for feature, size in PUBLISHED_SIZES.items()
            for statistic in PUBLISHED_STATISTICS
            for number in range(size)
        ]
    ).sort_values()
    assert list(FEATURE_NAMES) == [".".join(column) for column in columns]


def test_known_places():
    assert len(FEATURE_NAMES) == len(set(FEATURE_NAMES)) == 518
    assert FEATURE_NAMES[0] == "chroma_cens.kurtosis.01"
    assert FEATURE_NAMES[-1] == "zcr.std.01"
    assert "mfcc.mean.01" in FEATURE_NAMES


def test_importing_the_names_loads_no_numerical_library():
    program = (
        "import sys, nocturne.audio.names, nocturne.audio.rules;"
        "heavy = {'numpy', 'pandas', 'scipy', 'librosa', 'numba', 'pyarrow'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert answer.stdout.strip() == b"[]"


def test_feature_set_names_definition_version_and_rate():
    assert feature_set(22050) == "fma518-v1-22050"
    assert feature_set(16000) != feature_set(22050)


def test_a_rate_too_low_for_the_features_is_bad_input():
    with pytest.raises(BadInput, match="16000 Hz, not 8000"):
        feature_set(8000)
