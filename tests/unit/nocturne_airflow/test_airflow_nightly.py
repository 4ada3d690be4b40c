import json
from pathlib import Path

import pandas as pd
import pytest

from nocturne.errors import BadInput
from nocturne.nights import night_of, parse_day
from nocturne.sample.library import MARKER, SAMPLE_VERSION
from nocturne.settings import load_settings
from nocturne_airflow import export, nightly

NIGHT = night_of(parse_day("2026-11-18"))
NO_PARAMS = {"audio_folder": None, "metadata_folder": None, "k_min": None, "k_max": None}


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("NOCTURNE_HOME", str(tmp_path))
    return tmp_path


def choose(**params: str) -> tuple[str, str]:
    audio, metadata = nightly.choose_library(load_settings(), {**NO_PARAMS, **params}, NIGHT)
    return str(audio), str(metadata)


def test_the_folders_of_the_parameters(monkeypatch):
    monkeypatch.setenv("NOCTURNE_AUDIO_DIR", "/library/audio")
    monkeypatch.setenv("NOCTURNE_METADATA_DIR", "/library/metadata")
    assert choose(audio_folder="/a", metadata_folder="/m") == ("/a", "/m")


def test_the_folders_of_the_settings(monkeypatch):
    monkeypatch.setenv("NOCTURNE_AUDIO_DIR", "/library/audio")
    monkeypatch.setenv("NOCTURNE_METADATA_DIR", "/library/metadata")
    assert choose() == ("/library/audio", "/library/metadata")


def test_the_sample_where_no_library_is_set(home):
    (home / "sample").mkdir()
    marker = {"sample_version": SAMPLE_VERSION}
    (home / "sample" / MARKER).write_text(json.dumps(marker), encoding="utf-8")
    assert choose() == (str(home / "sample/audio"), str(home / "sample/metadata"))


@pytest.mark.parametrize("given", ["audio_folder", "metadata_folder"])
def test_half_a_library_is_refused(given):
    with pytest.raises(BadInput, match="both"):
        choose(**{given: "/a"})


def test_half_a_library_in_the_settings_is_refused(monkeypatch):
    monkeypatch.setenv("NOCTURNE_AUDIO_DIR", "/library/audio")
    with pytest.raises(BadInput, match="/library/audio"):
        choose()


@pytest.mark.parametrize(
    ("params", "expected"),
    [({}, (2, 10)), ({"k_min": 4}, (4, 10)), ({"k_max": 3}, (2, 3)), ({"k_min": 10}, (10, 10))],
)
def test_the_range_of_k_is_that_of_the_parameters_or_the_settings(params, expected):
    assert nightly.choose_ks(load_settings(), {**NO_PARAMS, **params}) == expected


def test_a_range_without_a_k_is_refused_before_any_work():
    with pytest.raises(BadInput, match="k_min is 11, k_max 10"):
        nightly.land({**NO_PARAMS, "k_min": 11}, NIGHT, "run")


def test_a_rehearsal_asks_no_server():
    answer = nightly.go_live({"version": "2026-11-18.abc"}, {"publish": False})
    assert answer == {"version": "2026-11-18.abc", "live": False, "because": "publish is off"}


def test_what_was_sent_is_read_back(tmp_path):
    pd.DataFrame({"track_id": ["2", "10", "2"]}).to_parquet(tmp_path / "sent.parquet")
    assert nightly.read_sent({"run_dir": str(tmp_path)}) == {"2", "10"}


def test_the_collection_to_export(monkeypatch, home):
    monkeypatch.setenv("AIRFLOW_CONN_MONGO_DEFAULT", '{"conn_type": "mongo", "host": "h"}')
    monkeypatch.setenv(
        "AIRFLOW_CONN_KAFKA_DEFAULT",
        '{"conn_type": "kafka", "extra": {"bootstrap.servers": "kafka:9092"}}',
    )
    assert export.choose_collection({"database": None, "collection": None}) == {
        "database": "nocturne",
        "collection": "tracks",
        "target": str(home / "exports/output.csv"),
    }
    chosen = export.choose_collection({"database": "MYDB", "collection": "MTDATA"})
    assert (chosen["database"], chosen["collection"]) == ("MYDB", "MTDATA")
