import json
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pendulum
import pytest
from airflow.sdk.api.datamodels._generated import DagRunType

from nocturne.errors import BadInput
from nocturne.settings import load_settings
from nocturne.stream.listens import Window
from nocturne_airflow import listening

START = datetime(2026, 11, 18, 10, 20, tzinfo=UTC)
END = datetime(2026, 11, 18, 10, 30, tzinfo=UTC)
NO_PARAMS = {"activity_file": None, "window_start": None, "window_end": None}


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("NOCTURNE_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def sample(home) -> Path:
    """The events of a sample library."""
    events = home / "sample/listening/user_activity.jsonl"
    events.parent.mkdir(parents=True)
    events.write_text("", encoding="utf-8")
    return events


def choose_file(**params):
    return listening.choose_file(load_settings(), NO_PARAMS | params)


def choose_window(run_type=DagRunType.MANUAL, **params):
    interval = {
        "data_interval_start": pendulum.instance(START),
        "data_interval_end": pendulum.instance(END),
    }
    dag_run = SimpleNamespace(run_type=run_type, **interval)
    return listening.choose_window(NO_PARAMS | params, dag_run)


def test_the_file_of_the_parameters_comes_first(sample):
    assert choose_file(activity_file="/events.jsonl") == Path("/events.jsonl")


def test_the_samples_events_where_the_sample_is_the_library(sample):
    assert choose_file() == sample
    assert choose_file(activity_file="") == sample


@pytest.mark.parametrize("folder", ["AUDIO_DIR", "METADATA_DIR"])
def test_listeners_of_the_sample_never_hear_another_library(sample, folder, monkeypatch):
    monkeypatch.setenv(f"NOCTURNE_{folder}", "/library")
    assert choose_file() is None


def test_without_a_file_nothing_is_sent_and_no_server_is_asked():
    assert listening.publish(NO_PARAMS) == {"file": None, "sent": 0}


def test_a_file_that_is_not_there_is_no_matter_for_a_retry(home, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_MONGO_DEFAULT", '{"conn_type": "mongo", "host": "h"}')
    kafka = {"conn_type": "kafka", "extra": {"bootstrap.servers": "kafka:9092"}}
    monkeypatch.setenv("AIRFLOW_CONN_KAFKA_DEFAULT", json.dumps(kafka))
    with pytest.raises(BadInput, match=r"nowhere\.jsonl"):
        listening.publish(NO_PARAMS | {"activity_file": str(home / "nowhere.jsonl")})


@pytest.mark.parametrize("run_type", [kind for kind in DagRunType if kind != DagRunType.BACKFILL])
def test_what_is_new_is_enough_for_other_runs(run_type):
    assert choose_window(run_type) is None


def test_a_backfill_reads_its_interval_again():
    window = choose_window(DagRunType.BACKFILL)
    assert window == Window(START, END)
    assert {type(window.start), type(window.end)} == {datetime}


@pytest.mark.parametrize("run_type", [DagRunType.MANUAL, DagRunType.BACKFILL])
def test_the_window_of_the_parameters_comes_first(run_type):
    window = choose_window(
        run_type, window_start="2026-11-01T00:00:00Z", window_end="2026-11-02T02:00:00+02:00"
    )
    assert window == Window(datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 2, tzinfo=UTC))


def test_a_moment_without_a_zone_is_utc():
    window = choose_window(window_start="2026-11-18T10:20", window_end="2026-11-18T10:30:00")
    assert window == Window(START, END)


@pytest.mark.parametrize("given", ["window_start", "window_end"])
def test_half_a_window_is_refused(given):
    with pytest.raises(BadInput, match="both"):
        choose_window(DagRunType.BACKFILL, **{given: "2026-11-18T10:20:00Z"})


@pytest.mark.parametrize("end", ["2026-11-18T10:20:00Z", "2026-11-18T11:00:00+02:00"])
def test_a_window_that_holds_no_time_is_refused(end):
    with pytest.raises(BadInput, match="no window"):
        choose_window(window_start="2026-11-18T10:20:00Z", window_end=end)


def test_what_is_no_moment_is_refused():
    with pytest.raises(BadInput, match="yesterday"):
        choose_window(window_start="yesterday", window_end="2026-11-18T10:20:00Z")
