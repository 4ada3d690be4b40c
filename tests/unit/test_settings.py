import json
import os
import string
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from nocturne.errors import Misuse
from nocturne.settings import PROJECT, Settings, load_settings

RUN_ID = st.text(string.ascii_letters + string.digits + "_.~:+-", min_size=1).filter(
    lambda run_id: run_id.strip(".")
)
"""What Airflow takes as a run's id, without those that consist of dots alone."""


@pytest.fixture(autouse=True)
def no_variables(monkeypatch):
    for name in Settings.model_fields:
        monkeypatch.delenv(f"NOCTURNE_{name.upper()}", raising=False)


def test_the_defaults_need_no_environment():
    settings = load_settings()
    assert settings.home == PROJECT / ".nocturne"
    assert settings.runtime == Path(sys.prefix) / "nocturne-runtime"
    assert (settings.kafka_bootstrap, settings.mongo_uri, settings.airflow_url) == ("", "", "")
    assert settings.audio_dir is None


def test_every_field_is_described_and_has_a_variable(monkeypatch):
    given = {
        "home": "/data/nocturne",
        "runtime": "/data/runtime",
        "audio_dir": "/music",
        "metadata_dir": "/metadata",
        "kafka_bootstrap": "kafka:9092",
        "mongo_uri": "mongodb://db/",
        "mongo_database": "music",
        "tracks_collection": "songs",
        "spark_master": "spark://spark:7077",
        "spark_driver_memory": "4g",
        "airflow_url": "http://airflow:8080",
        "lineage_url": "http://marquez:5000",
        "sample_rate": "native",
        "excerpt_seconds": "30.5",
        "max_refused_share": "0.5",
        "neighbours": "7",
        "k_min": "3",
        "k_max": "9",
        "max_cluster_share": "0.75",
        "min_stability": "0.6",
        "max_silhouette_drop": "0.1",
        "metric": "learned",
        "list_length": "9",
        "recent_days": "14",
        "left_out": "bootlegs,demos",
        "max_rows_lost": "0.5",
        "max_ranking_drop": "0.05",
        "approve": "True",
        "approve_hours": "1.5",
        "versions_kept": "3",
        "web_host": "192.0.2.1",
        "web_port": "5050",
        "web_requests": "60",
    }
    fields = Settings.model_fields
    assert all(field.description for field in fields.values())
    for name, value in given.items():
        monkeypatch.setenv(f"NOCTURNE_{name.upper()}", value)
    settings = load_settings()
    assert {name: str(getattr(settings, name)) for name in given} == given
    untested = {name for name in fields if getattr(settings, name) == fields[name].default}
    assert not untested, "give these new settings a value above"


def test_the_home_is_absolute(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NOCTURNE_HOME", "state")
    assert load_settings().home == tmp_path / "state"
    assert load_settings().stack_dir == tmp_path / "state/stack"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NOCTURNE_SAMPLE_RATE", "fast"),
        ("NOCTURNE_SAMPLE_RATE", "7999"),
        ("NOCTURNE_SAMPLE_RATE", "96001"),
        ("NOCTURNE_SAMPLE_RATE", "Native"),
        ("NOCTURNE_EXCERPT_SECONDS", "0.5"),
        ("NOCTURNE_EXCERPT_SECONDS", "-30"),
        ("NOCTURNE_EXCERPT_SECONDS", "nan"),
        ("NOCTURNE_MAX_REFUSED_SHARE", "1.01"),
        ("NOCTURNE_MAX_REFUSED_SHARE", "nan"),
        ("NOCTURNE_NEIGHBOURS", "0"),
        ("NOCTURNE_MAX_CLUSTER_SHARE", "0"),
        ("NOCTURNE_APPROVE_HOURS", "0"),
        ("NOCTURNE_APPROVE_HOURS", "8761"),
        ("NOCTURNE_APPROVE_HOURS", "inf"),
        ("NOCTURNE_VERSIONS_KEPT", "1"),
    ],
)
def test_an_unusable_value_is_misuse_naming_variable_and_value(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(Misuse) as refused:
        load_settings()
    assert name in str(refused.value)
    assert repr(value) in str(refused.value)


def test_all_unusable_values_are_named_at_once(monkeypatch):
    monkeypatch.setenv("NOCTURNE_K_MIN", "one")
    monkeypatch.setenv("NOCTURNE_K_MAX", "two")
    with pytest.raises(Misuse, match=r"NOCTURNE_K_MIN.*'one'.*NOCTURNE_K_MAX.*'two'"):
        load_settings()


def test_settings_are_frozen():
    with pytest.raises(ValidationError, match="frozen"):
        load_settings().neighbours = 3


def test_a_misspelt_field_is_refused():
    with pytest.raises(ValidationError, match="neighbors"):
        Settings(neighbors=3)


def test_a_run_id_becomes_a_plain_folder_name():
    settings = Settings(home=Path("/n"))
    run_id = "manual__2026-11-19T02:00:00+00:00/../../../etc"
    folder = settings.run_dir(run_id)
    assert folder == Path("/n/runs/manual__2026-11-19T02_00_00+00_00_.._.._.._etc")


@given(RUN_ID)
def test_a_run_folder_stays_within_the_runs(run_id):
    folder = Settings(home=Path("/n")).run_dir(run_id)
    assert folder.resolve().parent == Path("/n/runs")


def test_settings_import_neither_airflow_nor_spark():
    asked = (
        "import json, sys, nocturne.settings;"
        "print(json.dumps([name for name in ('airflow', 'pyspark') if name in sys.modules]))"
    )
    environment = {"PATH": os.environ["PATH"]}
    done = subprocess.run(
        [sys.executable, "-c", asked], env=environment, capture_output=True, check=True
    )
    assert json.loads(done.stdout) == []


def test_the_homes_file_sets_what_the_environment_does_not(monkeypatch, tmp_path):
    monkeypatch.setenv("NOCTURNE_HOME", str(tmp_path))
    monkeypatch.setenv("NOCTURNE_K_MIN", "3")
    lines = 'NOCTURNE_K_MAX=4\nNOCTURNE_K_MIN=2\nNOCTURNE_AUDIO_DIR="/my music"\n'
    (tmp_path / "settings.env").write_text(lines, encoding="utf-8")
    settings = load_settings()
    assert (settings.k_min, settings.k_max) == (3, 4)
    assert settings.audio_dir == Path("/my music")


def test_a_misspelt_name_in_the_homes_file_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv("NOCTURNE_HOME", str(tmp_path))
    (tmp_path / "settings.env").write_text("NOCTURNE_KMAX=4\n", encoding="utf-8")
    with pytest.raises(Misuse, match="NOCTURNE_KMAX"):
        load_settings()


@pytest.mark.parametrize("name", ["home_[a]", "all*", "what?", "{a,b}"])
def test_a_home_that_spark_would_take_for_a_pattern_is_refused_at_once(monkeypatch, tmp_path, name):
    monkeypatch.setenv("NOCTURNE_HOME", str(tmp_path / name))
    with pytest.raises(Misuse, match=r"NOCTURNE_HOME is .*Spark takes"):
        load_settings()


def test_settings_that_are_not_utf8_are_told_with_their_line(monkeypatch, tmp_path):
    monkeypatch.setenv("NOCTURNE_HOME", str(tmp_path))
    content = "NOCTURNE_K_MAX=5\nNOCTURNE_MONGO_DATABASE=caf\xe9\n".encode("latin-1")
    (tmp_path / "settings.env").write_bytes(content)
    with pytest.raises(Misuse, match=r"settings.env is not UTF-8 in line 2"):
        load_settings()
