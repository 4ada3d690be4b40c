import numpy as np
import pytest
import soundfile

from nocturne.audio.analyse import analyse_file, require_finite
from nocturne.audio.names import Analysis
from nocturne.audio.rules import Rule, UnusableAudio


def test_a_good_file_gives_features_and_duration(tmp_path):
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 2 * 44100)
    soundfile.write(tmp_path / "a.wav", noise, 44100)
    record = analyse_file(tmp_path / "a.wav", "abc", Analysis())
    assert record.audio_sha256 == "abc"
    assert len(record.features) == 518
    assert record.duration_seconds == pytest.approx(2)
    assert record.rule is record.reason is None


def test_a_bad_file_gives_rule_and_reason(tmp_path):
    record = analyse_file(tmp_path / "missing.wav", "abc", Analysis())
    assert record.features is record.duration_seconds is None
    assert type(record.rule) is str
    assert record.rule == "unreadable"
    assert "No such file" in record.reason


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_no_value_that_contracts_refuse_gets_through(value):
    with pytest.raises(UnusableAudio) as caught:
        require_finite(np.array([1.0, value]))
    assert caught.value.rule == Rule.NOT_FINITE
