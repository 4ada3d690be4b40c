import json
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import librosa
import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st
from librosa_reference import CLOSE, PEERS, TOLERANCE, measure_errors

from nocturne.audio.features import extract
from nocturne.audio.names import FEATURE_NAMES, STATISTICS
from nocturne.audio.summaries import summarise
from nocturne.sample.arrangements import render_track

RATE = 22050
GOLDEN = Path(__file__).with_name("golden_features.json")

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


@pytest.mark.parametrize("rate", [16_000, 22_050, 32_000, 44_100, 48_000, 96_000])
def test_every_column_equals_its_own_librosa_call(rate):
    clip = melody(3, rate)
    errors = measure_errors(extract(clip, rate), clip, rate)
    assert max(errors.values()) <= CLOSE, list(errors.items())[:5]


def test_a_long_clip_is_measured_as_a_short_one_is():
    clip = melody(600)
    errors = measure_errors(extract(clip, RATE), clip, RATE)
    assert max(errors.values()) <= CLOSE, list(errors.items())[:5]


@pytest.mark.parametrize("genre", range(6))
def test_the_sample_library_measures_as_by_librosa(genre):
    clip = render_track(genre, 0).astype(np.float32)
    errors = measure_errors(extract(clip, RATE), clip, RATE)
    assert max(errors.values()) <= CLOSE, list(errors.items())[:5]


@LIBROSA_LOAD_WARNINGS
@pytest.mark.real_data
@pytest.mark.parametrize("rate", [RATE, None], ids=["22050 Hz", "native rate"])
@pytest.mark.parametrize("number", range(0, 18, 3))
def test_real_music_measures_as_by_librosa(real_data, number, rate):
    files = sorted([*real_data.glob("fma/audio/*.mp3"), *real_data.glob("recordings/*.ogg")])
    clip, rate = librosa.load(files[number], sr=rate, duration=15)
    errors = measure_errors(extract(clip, int(rate)), clip, int(rate))
    assert max(errors.values()) <= TOLERANCE, list(errors.items())[:5]
    assert sum(error > CLOSE for error in errors.values()) <= 10, list(errors.items())[:15]


@settings(max_examples=15, derandomize=True, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    rate=st.sampled_from([16_000, RATE, 44_100]),
    seconds=st.floats(1, 4),
    level=st.floats(-80, 0),
    noise=st.floats(-60, 0),
    offset=st.floats(-0.5, 0.5),
)
def test_mixtures_of_tones_and_noise_measure_as_by_librosa(
    seed, rate, seconds, level, noise, offset
):
    random = np.random.default_rng(seed)
    times = np.arange(int(seconds * rate)) / rate
    tones = [
        random.uniform() * np.sin(2 * np.pi * random.uniform(40, 6000) * times) for _ in range(8)
    ]
    swell = 0.5 + 0.5 * np.sin(2 * np.pi * random.uniform(0.2, 3) * times)
    mixture = sum(tones) * swell + 10 ** (noise / 20) * random.standard_normal(len(times))
    clip = (10 ** (level / 20) * (mixture + offset)).astype(np.float32)
    errors = measure_errors(extract(clip, rate), clip, rate)
    assert max(errors.values()) <= TOLERANCE, list(errors.items())[:5]


def odd_clips() -> dict[str, np.ndarray]:
    """Clips that libraries stumble over, and that librosa gives steady figures for."""
    random = np.random.default_rng(5)
    music = melody(3)
    gap = music.copy()
    gap[RATE : 2 * RATE] = 0
    click = np.zeros(3 * RATE, np.float32)
    click[RATE] = 1
    dull = soxr.resample(melody(3, 8000), 8000, RATE)
    return {
        "digital silence": np.zeros(3 * RATE, np.float32),
        "silence in the middle": gap,
        "one click in silence": click,
        "recorded at 8 kHz": dull,
        "cut through the last frame": music[: 2 * RATE + 1],
        "one second": music[:RATE],
        "white noise": random.standard_normal(3 * RATE).astype(np.float32),
        "a constant offset": music + np.float32(0.5),
        "hardly audible": music * np.float32(1e-5),
    }


@pytest.mark.parametrize("case", odd_clips())
def test_odd_clips_measure_as_by_librosa(case):
    clip = odd_clips()[case]
    errors = measure_errors(extract(clip, RATE), clip, RATE)
    assert max(errors.values()) <= TOLERANCE, list(errors.items())[:5]


def test_known_values_of_a_known_clip():
    """A golden record: librosa 0.11's own values, so that a change of either side shows."""
    measured = extract(render_track(3, 0).astype(np.float32), RATE)
    values = dict(zip(FEATURE_NAMES, measured, strict=True))
    for name, golden in json.loads(GOLDEN.read_text("utf-8")).items():
        assert values[name] == pytest.approx(golden, rel=CLOSE, abs=CLOSE), name


def test_the_same_samples_give_the_same_bytes_wherever_they_lie_in_memory():
    clip = melody(1.5)
    first = extract(clip, RATE)
    assert (first.shape, first.dtype) == ((518,), np.float64)
    room = np.empty(len(clip) + 5, np.float32)
    for offset in range(1, 6):
        moved = room[offset : offset + len(clip)]
        moved[:] = clip
        assert extract(moved, RATE).tobytes() == first.tobytes()


def test_what_was_measured_before_leaves_no_trace():
    """Buffers are used again: a long loud clip before must not show in a short quiet one."""
    clip = melody(1.3) * np.float32(1e-4)
    first = extract(clip, RATE).tobytes()
    extract(np.random.default_rng(2).standard_normal(5 * RATE).astype(np.float32), RATE)
    assert extract(clip, RATE).tobytes() == first


def test_memory_does_not_grow_from_clip_to_clip():
    clip = melody(3)
    extract(clip, RATE)
    tracemalloc.start()
    try:
        extract(clip, RATE)
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(5):
            extract(clip, RATE)
        assert tracemalloc.get_traced_memory()[0] - before < 100_000
    finally:
        tracemalloc.stop()


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
