import numpy as np
import pytest
import soundfile

from nocturne.audio.describe import describe_files
from nocturne.audio.names import FEATURE_NAMES, Analysis


def test_files_are_described_in_order_good_and_bad_alike(tmp_path):
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 2 * 44100)
    good, bad = tmp_path / "good.wav", tmp_path / "bad.wav"
    soundfile.write(good, noise, 44100)
    bad.write_bytes(b"not audio at all")
    refused, described = describe_files([bad, good], Analysis())
    assert refused == {"file": str(bad), "rule": "not_audio", "reason": refused["reason"]}
    assert refused["reason"]
    assert described["file"] == str(good)
    assert described["feature_set"] == "fma518-v1-22050"
    assert described["duration_seconds"] == pytest.approx(2)
    assert list(described["features"]) == list(FEATURE_NAMES)
    assert all(isinstance(value, float) for value in described["features"].values())
