import subprocess
import sys

import pandas as pd
import pytest

from nocturne.audio.names import (
    FEATURE_NAMES,
    Analysis,
    choose_rate,
    feature_set,
    parse_sample_rate,
)
from nocturne.errors import BadInput, Misuse

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


@pytest.mark.parametrize(
    ("analysis", "name"),
    [
        (Analysis(), "fma518-v1-22050"),
        (Analysis(16000), "fma518-v1-16000"),
        (Analysis("native"), "fma518-v1-native"),
        (Analysis(22050, 30), "fma518-v1-22050-30s"),
        (Analysis("native", 29.95), "fma518-v1-native-29.95s"),
        (Analysis(22050, 1234.5678), "fma518-v1-22050-1234.5678s"),
    ],
)
def test_a_feature_set_names_definition_rate_and_excerpt(analysis, name):
    assert feature_set(*analysis) == name


@pytest.mark.parametrize("rate", [8000, 15999, 96001])
def test_a_rate_that_the_features_do_not_exist_at_is_bad_input(rate):
    with pytest.raises(BadInput, match=f"from 16000 Hz to 96000 Hz, not {rate} Hz"):
        feature_set(rate)


@pytest.mark.parametrize("seconds", [-30.0, 0.5, float("nan"), float("inf")])
def test_an_excerpt_of_less_than_a_second_is_bad_input(seconds):
    with pytest.raises(BadInput, match="1 s or more"):
        feature_set(22050, seconds)


def test_a_sample_rate_is_read_from_text():
    assert parse_sample_rate("native") == "native"
    assert parse_sample_rate("44100") == parse_sample_rate(44100) == 44100
    for text in ("Native", "44.1", ""):
        with pytest.raises(Misuse, match="whole number of Hz"):
            parse_sample_rate(text)


@pytest.mark.parametrize(
    ("file_rate", "chosen"),
    [
        (8000, 16000), (16000, 16000), (22050, 22050), (37800, 44100), (44100, 44100),
        (48000, 48000), (96000, 96000), (192000, 96000),
    ],
)  # fmt: skip
def test_a_native_rate_is_the_files_own_if_it_is_usual_else_the_next_higher(file_rate, chosen):
    assert choose_rate("native", file_rate) == chosen
    assert choose_rate(22050, file_rate) == 22050
