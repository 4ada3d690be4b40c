"""The parts of the features bench that need no Spark."""

import numpy as np
import pytest
import soundfile

from nocturne.audio.features import extract
from nocturne.audio.names import FEATURE_NAMES
from nocturne.bench import features_job, features_plain
from nocturne.bench.features import (
    choose_ways,
    compare,
    measure_errors,
    time_compilation,
    time_ways,
)
from nocturne.bench.features_clips import gather_clips
from nocturne.bench.features_errors import compare_columns, describe_errors, least_values
from nocturne.bench.features_peers import shared_series, summarise_plainly
from nocturne.errors import NocturneError


@pytest.fixture
def clip(tmp_path, monkeypatch):
    monkeypatch.delenv("NOCTURNE_REAL_DATA", raising=False)
    (clip,), real = gather_clips(tmp_path, 1)
    assert real == 0
    return clip


def test_clips_of_the_sample_last_thirty_seconds_and_differ(tmp_path, monkeypatch):
    monkeypatch.delenv("NOCTURNE_REAL_DATA", raising=False)
    clips, _ = gather_clips(tmp_path, 2)
    assert [soundfile.info(clip).duration for clip in clips] == [30, 30]
    assert clips[0].read_bytes() != clips[1].read_bytes()


def test_real_music_comes_first_and_is_brought_to_half_a_minute(tmp_path, monkeypatch):
    (tmp_path / "recordings").mkdir()
    sound = np.random.default_rng(0).uniform(-0.5, 0.5, (16_000 * 4, 2))
    soundfile.write(tmp_path / "recordings/short.ogg", sound, 16_000)
    monkeypatch.setenv("NOCTURNE_REAL_DATA", str(tmp_path))
    target = tmp_path / "clips"
    target.mkdir()
    clips, real = gather_clips(target, 2)
    assert (real, clips[0].name) == (1, "short.ogg")
    assert soundfile.info(clips[0]).duration == 30
    assert soundfile.info(clips[0]).channels == 2


@pytest.mark.filterwarnings(
    "ignore:'(aifc|audioop|sunau)' is deprecated:DeprecationWarning",
    "ignore:Precision loss:RuntimeWarning",
)
def test_every_way_takes_a_clip_and_ours_is_close_to_librosa(clip):
    columns = {name: way(clip) for name, way in choose_ways().items() if name != "essentia"}
    assert {name for name, found in columns.items() if found.shape == (518,)} == {
        "ours", "ours_native", "naive", "shared", "shared_native",
    }  # fmt: skip
    found = describe_errors([measure_errors(clip)])
    assert found["max_relative_error"] < 1e-3
    assert found["values"] == 518


def test_memory_is_that_of_the_process_that_analyses(clip, monkeypatch):
    monkeypatch.setattr(features_job, "FIRST_CLIPS", 1)
    monkeypatch.setattr(features_job, "LAST_CLIP", 3)
    found = features_job.measure_memory([clip], print)
    assert 50 < found["mib_after_1"] < 2000
    assert abs(found["growth"]) < 0.5


def test_figures_are_medians_and_their_ratios():
    seconds = {
        "ours": [[0.1, 0.1, 9.0], [0.1, 0.1, 0.1]],
        "naive": [[0.5, 0.5, 0.5], [0.5, 0.5, 0.5]],
        "shared": [[0.2, 0.2, 0.2], [0.2, 0.2, 0.2]],
        "floor": [[0.05, 0.05, 0.05], [0.05, 0.05, 0.05]],
        "own_floor": [[0.04, 0.04, 0.04], [0.04, 0.04, 0.04]],
        "ours_native": [[0.2, 0.2, 0.2], [0.2, 0.2, 0.2]],
        "shared_native": [[0.6, 0.6, 0.6], [0.6, 0.6, 0.6]],
    }
    figures = compare(seconds)
    assert figures["speedup_over_naive"] == 5
    assert figures["speedup_over_shared"] == 2
    assert figures["speedup_over_shared_native"] == 3
    assert (figures["times_floor"], figures["times_own_floor"]) == (2, 2.5)
    assert figures["milliseconds"]["ours"] == 100


def make_columns(value=1.0):
    """Of a clip whose features all reach 1, with `value` in every other column."""
    names = np.array(FEATURE_NAMES)
    return np.where([".max." in name for name in names], 1.0, value)


def column(name):
    return list(FEATURE_NAMES).index(name)


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("mfcc.mean.01", 0.01, 1e-3),
        ("mfcc.mean.01", -0.01, 1e-3),
        ("zcr.median.01", 1e-3, 1e-2),
        ("rmse.std.01", 1000.0, 1e-8),
        ("mfcc.mean.01", 0.0, 1e-5 / 5.96e-4),
        ("mfcc.skew.03", 1e-9, 1e-5 / 5.96e-4),
    ],
)
def test_an_error_is_relative_to_the_value_however_small_unless_it_is_numerically_zero(
    name, value, error
):
    librosas = make_columns()
    librosas[column(name)] = value
    ours = librosas.copy()
    ours[column(name)] += 1e-5
    found = describe_errors([compare_columns(ours, librosas)])
    assert found["max_relative_error"] == pytest.approx(error, rel=0.05)
    assert found["close_columns"] == (518 if error <= 1e-4 else 517)
    assert found["near_zero_values"] == (abs(value) < 5e-4)


def test_what_counts_as_zero_grows_with_the_feature_and_not_with_pure_numbers():
    columns = make_columns()
    columns[column("mfcc.max.07")] = 1.0
    columns[column("mfcc.min.01")] = -500.0
    least = least_values(columns)
    assert least[column("mfcc.mean.20")] == pytest.approx(500 * 2.0**-24 / 1e-4)
    assert least[column("mfcc.kurtosis.20")] == pytest.approx(2.0**-24 / 1e-4)
    assert least[column("zcr.mean.01")] == pytest.approx(2.0**-24 / 1e-4)


def test_a_nan_of_librosas_is_not_our_zero():
    librosas = make_columns()
    librosas[column("chroma_stft.skew.01")] = np.nan
    librosas[column("chroma_stft.kurtosis.01")] = np.nan
    ours = np.nan_to_num(librosas)
    whole = compare_columns(make_columns(), make_columns())
    found = describe_errors([whole, compare_columns(ours, librosas)])
    assert found["librosa_nan"] == {"values": 2, "columns": 2, "clips": 1, "ours_are_zero": 2}
    assert (found["max_relative_error"], found["close_columns"]) == (0, 516)


@pytest.mark.filterwarnings(
    "ignore:Precision loss:RuntimeWarning",
    "ignore:Trying to estimate tuning:UserWarning",
)
def test_librosas_recipe_gives_nan_where_no_sample_crosses_zero():
    noise = np.random.default_rng(0).uniform(0.5, 0.6, 2 * 22_050).astype(np.float32)
    librosas = summarise_plainly(shared_series(noise, 22_050))
    found = describe_errors([compare_columns(extract(noise, 22_050), librosas)])
    assert found["librosa_nan"] == {"values": 2, "columns": 2, "clips": 1, "ours_are_zero": 2}
    assert found["close_columns"] <= 516


def test_every_way_is_first_in_its_turn(tmp_path):
    order = []
    names = ("ours", "ours_native", "floor")
    ways = {name: lambda _, name=name: order.append(name) for name in names}
    seconds = time_ways(ways, [tmp_path], print)
    measured = order[-9:]
    assert {measured[0], measured[3], measured[6]} == set(names)
    assert [len(by_clip[0]) for by_clip in seconds.values()] == [3, 3, 3]


def test_scaling_is_compared_with_what_two_plain_processes_reach():
    found = features_job.describe_scaling(
        {1: 5.0, 2: 8.0}, {1: 1.0, 2: 1.0}, {1: [9.0, 11.0], 2: [15.0, 17.0]}
    )
    assert (found["times"], found["machine_times"]) == (1.6, 1.6)
    assert found["share_of_machine"] == 1


def test_plain_processes_analyse_clips_and_say_when_one_is_no_audio(clip, tmp_path, monkeypatch):
    monkeypatch.setattr(features_plain, "CLIPS_EACH", 2)
    assert features_plain.time_processes([clip], 2) > 0
    (tmp_path / "no.ogg").write_bytes(b"no audio")
    with pytest.raises(NocturneError, match="ended with 1"):
        features_plain.time_processes([tmp_path / "no.ogg"], 1)


def test_compiling_takes_a_first_process_longer_than_those_after_it(tmp_path):
    found = time_compilation(tmp_path)
    assert found["compile_seconds"] > found["load_seconds"] > 0
