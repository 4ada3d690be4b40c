"""The parts of the features bench that need no Spark."""

import numpy as np
import pytest
import soundfile

from nocturne.bench import features_job
from nocturne.bench.features import choose_ways, compare, describe_errors, measure_errors
from nocturne.bench.features_clips import gather_clips


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
    assert measure_errors(clip).max() < 1e-3


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


def test_errors_are_summed_up_by_the_worst_clip():
    errors = np.zeros((2, 518))
    errors[0, 3], errors[1, 3], errors[1, 4] = 2e-4, 1e-5, 5e-5
    assert describe_errors(errors) == {"max_relative_error": 2e-4, "close_columns": 517}
