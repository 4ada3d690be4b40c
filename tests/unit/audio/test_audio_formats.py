"""Formats, lying names, excerpts and rates: what `decode` gives of a good or half-good file."""

import os
import struct

import numpy as np
import pytest
import soundfile
from made_audio import RATE, faststart, keep_share, sweep, write_audio

from nocturne.audio import containers, reading, sound_files
from nocturne.audio.decode import decode
from nocturne.audio.names import Analysis
from nocturne.audio.rules import Rule, UnusableAudio

FORMATS = ["wav", "flac", "ogg", "mp3", "aac", "m4a", "mka"]
OWN = Analysis(RATE)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Twelve seconds of stereo in each format, the right channel half as loud."""
    folder = tmp_path_factory.mktemp("formats")
    stereo = np.stack([sweep(12), 0.5 * sweep(12)], axis=1)
    return {form: write_audio(folder / f"a.{form}", stereo) for form in FORMATS}


def frequency_at(samples: np.ndarray, rate: int, second: float) -> float:
    piece = samples[round((second - 0.1) * rate) : round((second + 0.1) * rate)]
    spectrum = np.abs(np.fft.rfft(piece * np.hanning(len(piece)), 1 << 16))
    return float(spectrum.argmax() * rate / (1 << 16))


def refusal(path, analysis=OWN) -> UnusableAudio:
    with pytest.raises(UnusableAudio) as caught:
        decode(path, analysis)
    return caught.value


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_gives_the_mean_of_its_channels(files, form):
    clip = decode(files[form], OWN)
    assert (clip.sample_rate, clip.samples.dtype, clip.samples.ndim) == (RATE, np.float32, 1)
    assert clip.seconds == pytest.approx(12, abs=0.1)
    inner = clip.samples[RATE:-RATE]
    assert inner.std() == pytest.approx(0.4 * 0.75 / np.sqrt(2), rel=0.02)
    for second in (2, 6, 10):
        assert frequency_at(clip.samples, RATE, second) == pytest.approx(200 + 40 * second, abs=6)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("name", ["a.mp3", "a.m4a", "a.wav", "a.vox", "a"])
def test_a_file_that_lies_about_its_type_is_decoded_by_its_content(files, tmp_path, form, name):
    liar = tmp_path / name
    liar.write_bytes(files[form].read_bytes())
    np.testing.assert_array_equal(decode(liar, OWN).samples, decode(files[form], OWN).samples)


@pytest.mark.parametrize("form", ["wav", "flac", "ogg", "mp3", "aac", "m4a"])
def test_an_excerpt_is_the_middle_of_the_whole(files, form):
    whole, excerpt = decode(files[form], OWN), decode(files[form], Analysis(RATE, 5))
    assert excerpt.seconds == 5
    first = (len(whole.samples) - len(excerpt.samples)) // 2
    middle = whole.samples[first : first + len(excerpt.samples)]
    np.testing.assert_allclose(excerpt.samples, middle, atol=1e-5)


@pytest.mark.parametrize("form", FORMATS)
def test_an_excerpt_longer_than_the_file_is_the_file(files, form):
    whole, excerpt = decode(files[form], OWN), decode(files[form], Analysis(RATE, 60))
    np.testing.assert_array_equal(excerpt.samples, whole.samples)


def test_an_excerpt_decodes_little_more_than_itself(files, monkeypatch):
    heard = []

    def decode_and_count(*arguments):
        for frame in decode_from(*arguments):
            heard.append(frame.samples)
            yield frame

    decode_from = containers.decode_from
    monkeypatch.setattr(containers, "decode_from", decode_and_count)
    decode(files["m4a"], Analysis(RATE, 2))
    assert 2 * RATE <= sum(heard) < 2.4 * RATE


def test_blocks_of_an_mp3_join_without_a_seam(files, monkeypatch):
    expected = soundfile.read(files["mp3"], dtype="float32")[0].mean(axis=1)
    np.testing.assert_array_equal(decode(files["mp3"], OWN).samples, expected)
    monkeypatch.setattr(sound_files, "BLOCK_SAMPLES", 1 << 16)
    np.testing.assert_array_equal(decode(files["mp3"], OWN).samples, expected)


@pytest.mark.parametrize(
    ("file_rate", "analysed"),
    [(8000, 16000), (11025, 16000), (22050, 22050), (44100, 44100), (48000, 48000), (96000, 96000)],
)
@pytest.mark.parametrize("form", ["wav", "flac"])
def test_native_rates(tmp_path, form, file_rate, analysed):
    path = write_audio(tmp_path / f"a.{form}", sweep(3, file_rate), file_rate)
    clip = decode(path, Analysis("native"))
    assert (clip.sample_rate, clip.seconds) == (analysed, pytest.approx(3, abs=1e-3))
    assert frequency_at(clip.samples, analysed, 2) == pytest.approx(280, abs=3)


@pytest.mark.parametrize("form", ["mp3", "aac", "m4a", "ogg"])
@pytest.mark.parametrize("file_rate", [16000, 32000, 48000])
def test_lossy_formats_at_other_rates_and_in_mono(tmp_path, form, file_rate):
    path = write_audio(tmp_path / f"a.{form}", sweep(3, file_rate), file_rate)
    clip = decode(path, Analysis())
    assert clip.sample_rate == 22050
    assert clip.seconds == pytest.approx(3, abs=0.15)
    assert frequency_at(clip.samples, 22050, 2) == pytest.approx(280, abs=8)


def test_opus(tmp_path):
    path = write_audio(tmp_path / "a.opus", sweep(3, 48000), 48000)
    assert decode(path, Analysis("native")).sample_rate == 48000


def test_six_channels_are_averaged(tmp_path):
    channels = np.stack([sweep(2) * gain for gain in (1, 0, 0.5, 0.25, 0.25, 1)], axis=1)
    path = write_audio(tmp_path / "a.wav", channels)
    np.testing.assert_allclose(decode(path, OWN).samples, sweep(2) * 0.5, atol=1e-4)


@pytest.mark.parametrize("junk", [bytes(700), np.random.default_rng(0).bytes(5000)])
def test_an_mp3_behind_junk_is_found(files, tmp_path, junk):
    path = tmp_path / "a.bin"
    path.write_bytes(junk + files["mp3"].read_bytes())
    assert decode(path, OWN).seconds == pytest.approx(12, abs=0.2)


def test_a_flac_that_does_not_know_its_length(files, tmp_path):
    """As a recorder leaves it that wrote into a pipe."""
    content = bytearray(files["flac"].read_bytes())
    content[21] &= 0xF0
    content[22:26] = bytes(4)
    path = tmp_path / "a.flac"
    path.write_bytes(content)
    assert decode(path, OWN).seconds == pytest.approx(12, abs=0.01)
    assert decode(path, Analysis(RATE, 5)).seconds == 5


@pytest.mark.parametrize("analysis", [OWN, Analysis(RATE, 5)])
def test_a_flac_that_claims_weeks_is_damaged(files, tmp_path, analysis):
    content = bytearray(files["flac"].read_bytes())
    content[21] |= 0x0F
    content[22:26] = b"\xff" * 4
    path = tmp_path / "a.flac"
    path.write_bytes(content)
    assert refusal(path, analysis).rule == Rule.DAMAGED


def test_a_wav_that_claims_four_gigabytes_is_read_as_far_as_it_goes(files, tmp_path):
    content = bytearray(files["wav"].read_bytes())
    data = content.index(b"data") + 4
    content[4:8] = content[data : data + 4] = struct.pack("<I", 0xFFFFFFF0)
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    assert decode(path, OWN).seconds == pytest.approx(12)


@pytest.mark.parametrize(("share", "good"), [(0.3, False), (0.8, True)])
@pytest.mark.parametrize("analysis", [OWN, Analysis(RATE, 3)])
def test_an_m4a_cut_off_before_its_half_is_damaged(files, share, good, analysis):
    path = keep_share(faststart(files["m4a"]), share)
    if good:
        assert decode(path, analysis).seconds > 2.9
    else:
        assert refusal(path, analysis).rule == Rule.DAMAGED


def test_an_m4a_that_lost_its_index_is_damaged(files, tmp_path):
    path = tmp_path / "a.m4a"
    path.write_bytes(files["m4a"].read_bytes())
    assert refusal(keep_share(path, 0.5)).rule == Rule.DAMAGED


@pytest.mark.parametrize(
    "content",
    [
        b"#EXTM3U\n#EXTINF:10,\nhttp://localhost:9/a.aac\n",
        b"ffconcat version 1.0\nfile a.aac\n",
        b"\x89PNG\r\n\x1a\n" + bytes(500),
        np.random.default_rng(1).bytes(200_000),
        b"x",
    ],
    ids=["playlist", "concat", "picture", "noise", "a letter"],
)
def test_what_is_not_audio(tmp_path, files, content):
    """A playlist opens no other file, however much FFmpeg would like to."""
    (tmp_path / "a.aac").write_bytes(files["aac"].read_bytes())
    path = tmp_path / "a.mp3"
    path.write_bytes(content)
    assert refusal(path).rule == Rule.NOT_AUDIO


def test_more_than_can_be_analysed_at_once_is_too_long(files, monkeypatch):
    monkeypatch.setattr(reading, "LONGEST_SAMPLES", 11 * RATE)
    for form in ("flac", "m4a"):
        unusable = refusal(files[form])
        assert unusable.rule == Rule.TOO_LONG
        assert "NOCTURNE_EXCERPT_SECONDS" in unusable.reason
        assert decode(files[form], Analysis(RATE, 10)).seconds == 10
        assert decode(files[form], Analysis(22050)).seconds > 11.9


def test_a_pipe_is_unreadable_and_nobody_waits_for_it(tmp_path):
    os.mkfifo(tmp_path / "a.mp3")
    assert refusal(tmp_path / "a.mp3").rule == Rule.UNREADABLE
