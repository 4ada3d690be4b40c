"""Which night a run is about, and where it keeps its files."""

from datetime import datetime
from typing import Any

from nocturne.nights import Night, last_complete_night, night_of, parse_day


def find_night(params: dict[str, Any], dag_run: Any) -> Night:
    """The night that the parameter `date` names, else that of the run's data interval.

    A run without either, triggered by hand, is about the last complete night before it.
    """
    if params.get("date"):
        return night_of(parse_day(params["date"]))
    if dag_run.data_interval_start and dag_run.data_interval_end:
        return Night(
            as_datetime(dag_run.data_interval_start), as_datetime(dag_run.data_interval_end)
        )
    return last_complete_night(as_datetime(dag_run.run_after))


def as_datetime(moment: datetime) -> datetime:
    """A plain datetime, whatever subclass Airflow gives."""
    return datetime.fromisoformat(moment.isoformat())
