import os
import subprocess
import sys
from pathlib import Path

import librosa
import numpy as np
import pytest
import scipy.stats

from nocturne.audio.features import extract, summarise
from nocturne.audio.names import FEATURE_NAMES, STATISTICS

RATE = 22050

# librosa.load looks for audioread's backends, which import modules that Python 3.13 drops.
LIBROSA_LOAD_WARNINGS = pytest.mark.filterwarnings(
    "ignore:'(aifc|audioop|sunau)' is deprecated:DeprecationWarning"
)


def melody(seconds: float, rate: int = RATE) -> np.ndarray:
    """Decaying chords over soft noise, a new one each half second."""
    random = np.random.default_rng(7)
    times = np.arange(round(seconds * rate)) / rate
    roots = 110 * 2 ** (random.integers(0, 24, int(seconds * 2) + 1) / 12)
    root = roots[(times * 2).astype(int)]
    chord = sum(np.sin(2 * np.pi * root * ratio * times) / 4 for ratio in (1, 1.25, 1.5, 2))
    decay = np.exp(-4 * (times % 0.5))
    return (chord * decay + 0.01 * random.standard_normal(len(times))).astype(np.float32)


def call_librosa(y: np.ndarray, sr: int) -> dict[str, np.ndarray]:
    """Every feature by a call of its own on the waveform, as the name of the column says."""
    feature = librosa.feature
    cens = feature.chroma_cens(y=y, sr=sr, bins_per_octave=12)
    return {
        "chroma_stft": feature.chroma_stft(y=y, sr=sr),
        "chroma_cqt": feature.chroma_cqt(y=y, sr=sr, bins_per_octave=12),
        "chroma_cens": cens,
        "tonnetz": feature.tonnetz(chroma=cens),
        "mfcc": feature.mfcc(y=y, sr=sr, n_mfcc=20),
        "rmse": feature.rms(S=librosa.magphase(librosa.stft(y))[0]),
        "zcr": feature.zero_crossing_rate(y),
        "spectral_centroid": feature.spectral_centroid(y=y, sr=sr),
        "spectral_bandwidth": feature.spectral_bandwidth(y=y, sr=sr),
        "spectral_contrast": feature.spectral_contrast(y=y, sr=sr),
        "spectral_rolloff": feature.spectral_rolloff(y=y, sr=sr),
    }


PEERS = {
    "mean": np.mean,
    "std": np.std,
    "skew": scipy.stats.skew,
    "kurtosis": scipy.stats.kurtosis,
    "median": np.median,
    "min": np.min,
    "max": np.max,
}


def expected_columns(y: np.ndarray, sr: int) -> dict[str, float]:
    return {
        f"{feature}.{statistic}.{number:02d}": float(peer(row.astype(np.float64)))
        for feature, series in call_librosa(y, sr).items()
        for statistic, peer in PEERS.items()
        for number, row in enumerate(series, start=1)
    }


@pytest.mark.parametrize("rate", [22050, 44100, 16000])
def test_every_column_equals_its_own_librosa_call(rate):
    clip = melody(3, rate)
    expected = expected_columns(clip, rate)
    measured = dict(zip(FEATURE_NAMES, extract(clip, rate), strict=True))
    wrong = {
        name: (measured[name], value)
        for name, value in expected.items()
        if not abs(measured[name] - value) <= 1e-3 * max(1, abs(value))
    }
    assert not wrong
    assert set(expected) == set(FEATURE_NAMES)


@LIBROSA_LOAD_WARNINGS
@pytest.mark.real_data
def test_every_column_equals_librosa_on_a_real_clip(real_data):
    clip, rate = librosa.load(real_data / "fma/audio/533.mp3", sr=RATE, duration=10)
    expected = expected_columns(clip, rate)
    for name, value in zip(FEATURE_NAMES, extract(clip, rate), strict=True):
        assert value == pytest.approx(expected[name], rel=1e-3, abs=1e-3), name


def test_the_same_samples_give_the_same_bytes_wherever_they_lie_in_memory():
    clip = melody(1.5)
    first = extract(clip, RATE)
    assert (first.shape, first.dtype) == ((518,), np.float64)
    room = np.empty(len(clip) + 5, np.float32)
    for offset in range(1, 6):
        moved = room[offset : offset + len(clip)]
        moved[:] = clip
        assert extract(moved, RATE).tobytes() == first.tobytes()


def edge_cases() -> dict[str, np.ndarray]:
    random = np.random.default_rng(3)
    times = np.arange(RATE) / RATE
    click = np.zeros(3 * RATE)
    click[RATE] = 1.0
    half_silent = np.concatenate([np.zeros(RATE), np.sin(2 * np.pi * 220 * times)])
    return {
        "one second": melody(1),
        "one click in silence": click,
        "silence, then a tone": half_silent,
        "square wave at full scale": np.sign(np.sin(2 * np.pi * 50 * times)),
        "white noise": random.standard_normal(RATE),
        "constant offset": np.full(RATE, 0.5),
        "digital silence": np.zeros(RATE),
        "almost silent": 1e-7 * random.standard_normal(RATE),
        "absurdly loud": 1e9 * random.standard_normal(RATE),
    }


@pytest.mark.parametrize("case", edge_cases())
def test_every_value_is_finite_and_no_warning_escapes(case):
    features = extract(edge_cases()[case].astype(np.float32), RATE)
    assert np.isfinite(features).all()


def test_statistics_agree_with_scipy():
    series = np.random.default_rng(1).gamma(2.0, size=(3, 200)).astype(np.float32)
    measured = summarise(series)
    for statistic, row in zip(STATISTICS, measured, strict=True):
        peer = PEERS[statistic]
        np.testing.assert_allclose(row, [peer(one.astype(np.float64)) for one in series])


@pytest.mark.parametrize("level", [0.0, 1.0, -3e4])
def test_a_constant_series_has_no_skew_and_no_kurtosis(level):
    rounding = np.array([0, 1, 0, 0, 0, 0, 1, 0, 0]) * np.spacing(np.float32(level))
    series = (np.full(9, level, np.float32) + rounding.astype(np.float32))[np.newaxis]
    if level == 0:
        series = np.zeros((1, 9), np.float32)
    by_name = dict(zip(STATISTICS, summarise(series)[:, 0], strict=True))
    assert by_name["skew"] == by_name["kurtosis"] == 0
    assert by_name["mean"] == pytest.approx(level)


def test_processes_that_compile_at_once_leave_a_cache_that_works(tmp_path: Path) -> None:
    """As on a fresh machine: Spark's workers all meet librosa uncompiled."""
    script = (
        "import numpy, sys; from nocturne.audio.features import extract;"
        " clip = numpy.random.default_rng(1).standard_normal(22050).astype('float32');"
        " print(extract(clip, 22050).sum())"
    )
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-c", script]

    def start() -> subprocess.Popen[str]:
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)

    first = [start() for _ in range(3)]
    results = [process.communicate()[0] for process in first]
    results.append(start().communicate()[0])
    assert len(set(results)) == 1
    assert [process.returncode for process in first] == [0, 0, 0]
    assert list(tmp_path.rglob("*.nbi")), "numba cached nothing, so nothing was tried"
