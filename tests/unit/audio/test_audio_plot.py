import struct

import numpy as np
import pytest
import soundfile

from nocturne.audio.decode import Clip
from nocturne.audio.names import Analysis
from nocturne.audio.plot import MOST_COLUMNS, draw, plot_file
from nocturne.audio.rules import UnusableAudio

RATE = 22050


def noise(seconds: float) -> np.ndarray:
    return np.random.default_rng(0).uniform(-0.5, 0.5, round(seconds * RATE)).astype(np.float32)


def test_a_file_becomes_one_png(tmp_path):
    soundfile.write(tmp_path / "a.flac", noise(3), RATE)
    plot_file(tmp_path / "a.flac", Analysis(), tmp_path / "picture")
    content = (tmp_path / "picture").read_bytes()
    assert content.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", content[16:24])
    assert (width, height) == (1000, 1100)


@pytest.mark.parametrize("seconds", [1, 4, 60])
def test_four_panels_share_one_axis_of_seconds(seconds):
    figure = draw(Clip(noise(seconds), RATE), "Noise")
    panels = figure.axes[:4]
    titles = [panel.get_title(loc="left") or panel.get_title() for panel in panels]
    assert titles == ["Waveform", "Mel spectrogram", "Chroma (constant-Q)", "MFCC"]
    assert all(panel.get_ylabel() for panel in panels)
    assert {panel.get_xlim() for panel in panels} == {(0, seconds)}
    assert panels[-1].get_xlabel() == "seconds"
    for panel in panels[1:]:
        shown = panel.get_images()[0].get_array()
        assert np.isfinite(shown).all()
        assert shown.shape[1] <= MOST_COLUMNS


def test_a_tone_is_where_the_axis_says(tmp_path):
    at = np.arange(4 * RATE) / RATE
    tone = (0.5 * np.sin(2 * np.pi * 1024 * at)).astype(np.float32)
    mel = draw(Clip(tone, RATE), "Tone").axes[1]
    loudest = int(mel.get_images()[0].get_array().mean(axis=1).argmax()) + 0.5
    labels = [label.get_text() for label in mel.get_yticklabels()]
    assert mel.get_yticks()[labels.index("1024")] == pytest.approx(loudest, abs=1)


def test_a_bad_file_is_not_drawn(tmp_path):
    (tmp_path / "a.ogg").write_bytes(b"no audio")
    with pytest.raises(UnusableAudio):
        plot_file(tmp_path / "a.ogg", Analysis(), tmp_path / "a.png")
    assert not (tmp_path / "a.png").exists()
