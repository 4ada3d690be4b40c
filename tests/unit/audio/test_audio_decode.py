from pathlib import Path

import librosa
import numpy as np
import pytest
import soundfile
import soxr

from nocturne.audio.decode import decode as decode_clip
from nocturne.audio.names import Analysis
from nocturne.audio.rules import TRANSIENT_RULES, Rule, UnusableAudio

RATE = 22050

# librosa.load looks for audioread's backends, which import modules that Python 3.13 drops.
LIBROSA_LOAD_WARNINGS = pytest.mark.filterwarnings(
    "ignore:'(aifc|audioop|sunau)' is deprecated:DeprecationWarning"
)


def tone(seconds: float, rate: int, hertz: float = 440.0) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


def decode(path: Path, rate: int) -> np.ndarray:
    return decode_clip(path, Analysis(rate)).samples


def write(path: Path, samples: np.ndarray, rate: int, **options: str) -> Path:
    soundfile.write(path, samples, rate, **options)
    return path


def refusal(path: Path) -> UnusableAudio:
    with pytest.raises(UnusableAudio) as caught:
        decode(path, RATE)
    assert str(caught.value) == caught.value.reason != ""
    return caught.value


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
@pytest.mark.parametrize("rate", [16000, 22050, 44100])
def test_formats_and_rates(tmp_path, suffix, rate):
    samples = decode(write(tmp_path / f"a.{suffix}", tone(2, rate), rate), RATE)
    assert samples.dtype == np.float32
    assert samples.ndim == 1
    assert len(samples) == pytest.approx(2 * RATE, rel=0.06)  # mp3 pads with silence
    inner = samples[RATE // 4 : -RATE // 2]
    peak = np.abs(np.fft.rfft(inner)).argmax() * RATE / len(inner)
    assert peak == pytest.approx(440, abs=2)


@LIBROSA_LOAD_WARNINGS
def test_equals_librosa(tmp_path):
    stereo = np.stack([tone(3, 44100), tone(3, 44100, 1000)], axis=1)
    path = write(tmp_path / "a.wav", stereo, 44100, subtype="FLOAT")
    expected, _ = librosa.load(path, sr=RATE)
    np.testing.assert_array_equal(decode(path, RATE), expected)


def test_a_file_longer_than_one_block_is_whole(tmp_path):
    samples = tone(30, 44100)
    path = write(tmp_path / "a.wav", samples, 44100, subtype="FLOAT")
    expected = soxr.resample(samples.astype(np.float32), 44100, RATE)
    np.testing.assert_array_equal(decode(path, RATE), expected)


@pytest.mark.parametrize("name", ["a.raw", "a.vox", "a", "a.mp3"])
def test_content_decides_and_not_the_name(tmp_path, name):
    flac = write(tmp_path / "a.flac", tone(2, RATE), RATE)
    renamed = flac.rename(tmp_path / name)
    assert len(decode(renamed, RATE)) == 2 * RATE


def test_mp3_with_junk_before_its_first_frame(tmp_path):
    path = write(tmp_path / "a.mp3", tone(2, RATE), RATE)
    path.write_bytes(bytes(700) + path.read_bytes())
    assert len(decode(path, RATE)) > 2 * RATE * 0.9


def test_no_bytes(tmp_path):
    (tmp_path / "a.mp3").touch()
    assert refusal(tmp_path / "a.mp3").rule == Rule.EMPTY


def test_no_samples(tmp_path):
    path = write(tmp_path / "a.wav", np.empty(0), RATE)
    assert refusal(path).rule == Rule.EMPTY


@pytest.mark.parametrize("name", ["a.mp3", "a.ogg", "a.vox", "a.raw", "a"])
def test_text_is_not_audio(tmp_path, name):
    (tmp_path / name).write_text("<html>404 Not Found</html>" * 500)
    assert refusal(tmp_path / name).rule == Rule.NOT_AUDIO


@pytest.mark.parametrize(("seconds", "good"), [(0.2, False), (0.999, False), (1.0, True)])
def test_less_than_a_second_is_too_short(tmp_path, seconds, good):
    path = write(tmp_path / "a.wav", tone(seconds, RATE), RATE)
    if good:
        assert len(decode(path, RATE)) == RATE
    else:
        assert refusal(path).rule == Rule.TOO_SHORT


def test_silence_constant_offset_and_dither_are_silent(tmp_path):
    dither = np.random.default_rng(0).integers(-1, 2, 2 * RATE) / 2**15
    two = np.stack([dither, -dither], axis=1)
    for samples in (np.zeros(2 * RATE), np.full(2 * RATE, 0.25), dither, two):
        path = write(tmp_path / "a.wav", samples, RATE, subtype="FLOAT")
        assert refusal(path).rule == Rule.SILENT


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
def test_of_channels_that_cancel_each_other_the_first_is_heard(tmp_path, suffix):
    opposed = np.stack([tone(2, 44100), -tone(2, 44100)], axis=1)
    samples = decode(write(tmp_path / f"a.{suffix}", opposed, 44100), RATE)
    inner = samples[RATE // 4 : RATE]
    assert np.abs(inner).max() == pytest.approx(0.5, rel=0.1)
    peak = np.abs(np.fft.rfft(inner)).argmax() * RATE / len(inner)
    assert peak == pytest.approx(440, abs=2)


def test_of_wide_stereo_the_mean_is_heard(tmp_path):
    wide = np.stack([tone(2, RATE), tone(2, RATE, 660)], axis=1) / 100
    samples = decode(write(tmp_path / "a.wav", wide, RATE, subtype="FLOAT"), RATE)
    np.testing.assert_allclose(samples, wide.mean(axis=1), atol=1e-6)


@pytest.mark.parametrize("share", [0.65, 0.95])
@pytest.mark.parametrize("how", ["cut off", "a hole"])
def test_half_a_flac_is_better_than_none(tmp_path, share, how):
    """As of an MP3, what lies before the place that cannot be decoded is taken."""
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 4 * RATE)
    path = write(tmp_path / "a.flac", noise, RATE)
    content = path.read_bytes()
    place = round(share * len(content))
    path.write_bytes(content[:place] + (b"" if how == "cut off" else bytes(400)))
    if how == "a hole":
        path.write_bytes(path.read_bytes() + content[place + 400 :])
    samples = decode(path, RATE)
    assert share * 4 * RATE - 3 * 4096 <= len(samples) <= 4 * RATE
    np.testing.assert_allclose(samples[:RATE], noise[:RATE], atol=1e-4)


def test_less_than_half_a_flac_is_damaged(tmp_path):
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 4 * RATE)
    path = write(tmp_path / "a.flac", noise, RATE)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 4 // 10])
    assert refusal(path).rule == Rule.DAMAGED


def test_quiet_music_is_not_silent(tmp_path):
    path = write(tmp_path / "a.wav", tone(2, RATE) / 1000, RATE)
    assert np.abs(decode(path, RATE)).max() == pytest.approx(0.0005, rel=0.1)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30])
def test_values_that_are_no_sound(tmp_path, value):
    samples = tone(2, RATE)
    samples[1000] = value
    path = write(tmp_path / "a.wav", samples, RATE, subtype="DOUBLE")
    assert refusal(path).rule == Rule.NOT_FINITE


def test_missing_file_and_folder_are_unreadable_and_transient(tmp_path):
    assert refusal(tmp_path / "a.wav").rule == Rule.UNREADABLE
    assert refusal(tmp_path).rule == Rule.UNREADABLE
    assert Rule.UNREADABLE in TRANSIENT_RULES
    assert "No such file" in refusal(tmp_path / "a.wav").reason


@pytest.mark.parametrize(("share", "good"), [(0.3, False), (0.8, True)])
def test_a_file_cut_off_before_its_half_is_damaged(tmp_path, share, good):
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 10 * RATE)
    path = write(tmp_path / "a.mp3", noise, RATE)
    content = path.read_bytes()
    path.write_bytes(content[: round(len(content) * share)])
    if good:
        assert len(decode(path, RATE)) == pytest.approx(8 * RATE, rel=0.05)
    else:
        assert refusal(path).rule == Rule.DAMAGED


def test_an_impossible_sample_rate_is_damaged(tmp_path):
    path = write(tmp_path / "a.wav", tone(2, RATE), 7)
    assert refusal(path).rule == Rule.DAMAGED


def test_refusals_survive_pickling():
    import pickle

    copy = pickle.loads(pickle.dumps(UnusableAudio(Rule.SILENT, "Nothing moves.")))  # noqa: S301
    assert (copy.rule, copy.reason) == (Rule.SILENT, "Nothing moves.")
