import csv
import json

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile

from nocturne.audio.describe import choose_analysis, describe_files
from nocturne.audio.names import FEATURE_NAMES, Analysis
from nocturne.audio.tables import COLUMNS, write_described
from nocturne.errors import Misuse
from nocturne.settings import Settings


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """What is no audio, and two seconds of noise."""
    folder = tmp_path_factory.mktemp("described")
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 2 * 44100)
    good, bad = folder / "[1], good.wav", folder / "bad.wav"
    soundfile.write(good, noise, 44100)
    bad.write_bytes(b"not audio at all")
    return [bad, good]


@pytest.fixture(scope="module")
def described(files):
    return list(describe_files(files, Analysis()))


def test_files_are_described_in_order_good_and_bad_alike(files, described):
    refused, found = described
    assert refused == {"file": str(files[0]), "rule": "not_audio", "reason": refused["reason"]}
    assert refused["reason"]
    assert found["file"] == str(files[1])
    assert found["feature_set"] == "fma518-v1-22050"
    assert found["duration_seconds"] == pytest.approx(2)
    assert list(found["features"]) == list(FEATURE_NAMES)
    assert all(isinstance(value, float) for value in found["features"].values())


def test_json_has_everything(described, capsys):
    write_described(described, "json", None)
    assert json.loads(capsys.readouterr().out) == described


def test_csv_has_a_row_for_each_good_file(described, tmp_path):
    write_described(described, "csv", tmp_path / "a.csv")
    with (tmp_path / "a.csv").open(encoding="utf-8", newline="") as file:
        header, row = csv.reader(file)
    assert header == [*COLUMNS] == ["file", "feature_set", "duration_seconds", *FEATURE_NAMES]
    assert row[:3] == [described[1]["file"], "fma518-v1-22050", "2.0"]
    assert [float(value) for value in row[3:]] == list(described[1]["features"].values())


@pytest.mark.parametrize("kept", [0, 1])
def test_parquet_has_the_same_columns_even_without_a_row(described, tmp_path, kept):
    write_described(described[: kept + 1], "parquet", tmp_path / "a.parquet")
    table = pq.read_table(tmp_path / "a.parquet")
    assert table.column_names == [*COLUMNS]
    assert table.num_rows == kept
    if kept:
        flat = {name: described[1][name] for name in COLUMNS[:3]} | described[1]["features"]
        assert table.to_pylist() == [flat]


def test_what_is_not_given_comes_from_the_settings():
    settings = Settings(sample_rate="native", excerpt_seconds=30)
    assert choose_analysis(settings, None, None) == ("native", 30)
    assert choose_analysis(settings, "44100", 0) == (44100, 0)
    with pytest.raises(Misuse, match="8000"):
        choose_analysis(settings, "8000", None)
