"""The steps of the listening run: the product's functions, given a run's settings and servers."""

import logging
from pathlib import Path
from typing import Any

from nocturne.errors import BadInput
from nocturne.nights import parse_moment
from nocturne.sample.library import locate_library
from nocturne.settings import Settings, load_settings
from nocturne.stream.listens import Window, load_listens, publish_activity
from nocturne_airflow.night import as_datetime
from nocturne_airflow.services import kafka_config, open_database

log = logging.getLogger(__name__)
Summary = dict[str, Any]
BACKFILL = "backfill"


def publish(params: Summary) -> Summary:
    """Send the events of a file, if there is one to send, that are not stored yet."""
    path = choose_file(load_settings(), params)
    if path is None:
        log.info("There is no file to send; what listeners do comes into the topic by itself.")
        return {"file": None, "sent": 0}
    with open_database() as (database, _):
        return {"file": str(path), "sent": publish_activity(kafka_config(), database, path)}


def choose_file(settings: Settings, params: Summary) -> Path | None:
    """The file of the run's parameters, else the sample's where the sample is the library."""
    if params["activity_file"]:
        return Path(params["activity_file"])
    if settings.audio_dir or settings.metadata_dir:
        return None
    sample = locate_library(settings.sample_dir).listening_dir / "user_activity.jsonl"
    return sample if sample.is_file() else None


def choose_window(params: Summary, dag_run: Any) -> Window | None:
    """The window of the run's parameters, else the data interval of a run of a backfill.

    Raises BadInput if only one end is given, or there is nothing between them.
    """
    start, end = params["window_start"], params["window_end"]
    if start and end:
        window = Window(parse_moment(start), parse_moment(end))
        if window.start >= window.end:
            raise BadInput(f"There is no window from {start} to {end}: it ends before it begins.")
        return window
    if start or end:
        raise BadInput(
            "Give both window_start and window_end, or neither to read only what is new;"
            f" now they are {start} and {end}."
        )
    if dag_run.run_type != BACKFILL:
        return None
    return Window(as_datetime(dag_run.data_interval_start), as_datetime(dag_run.data_interval_end))


def load(window: Window | None, run_id: str) -> Summary:
    """Bring the listens up to the topic's end, then read the window again, if there is one."""
    with open_database() as (database, settings):
        share = settings.max_refused_share
        return load_listens(kafka_config(), database, run_id, share, window)
