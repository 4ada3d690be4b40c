from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from nocturne.errors import BadInput
from nocturne.nights import night_of, parse_day
from nocturne.settings import load_settings
from nocturne_airflow import export, nightly

NIGHT = night_of(parse_day("2026-11-18"))
NO_PARAMS = {"audio_folder": None, "metadata_folder": None, "k_min": None, "k_max": None}


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("NOCTURNE_HOME", str(tmp_path))
    return tmp_path


def test_a_range_without_a_k_is_refused_before_any_work():
    with pytest.raises(BadInput, match="k_min is 11, k_max 10"):
        nightly.land({**NO_PARAMS, "k_min": 11}, NIGHT, "run")


def test_a_night_that_is_not_over_is_refused_before_any_work():
    """A date in the future would be live for good."""
    today = datetime.now(UTC).date()
    for day in (today, today + timedelta(days=1), date(2999, 1, 1)):
        with pytest.raises(BadInput, match=f"The night of {day} is not over"):
            nightly.land(NO_PARAMS, night_of(day), "run")


def test_a_rehearsal_asks_no_server():
    answer = nightly.go_live({"version": "2026-11-18.abc"}, {"publish": False})
    assert answer == {"version": "2026-11-18.abc", "live": False, "because": "publish is off"}


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


@pytest.mark.parametrize(
    ("params", "may"),
    [
        ({}, True),
        ({"audio_folder": "/a", "metadata_folder": "/m"}, False),
        ({"audio_folder": "/a", "replace_library": True}, True),
        ({"metadata_folder": "/m", "replace_library": False}, False),
        ({"audio_folder": "/a", "approve": True}, True),
        ({"audio_folder": "/a", "approve": False}, False),
        ({"audio_folder": "/a", "publish": False}, True),
    ],
)
def test_a_library_that_a_run_names_replaces_another_only_if_somebody_says_so(params, may):
    given = {"publish": True, **NO_PARAMS, **params}
    assert nightly.may_replace_library(given, load_settings()) == may
