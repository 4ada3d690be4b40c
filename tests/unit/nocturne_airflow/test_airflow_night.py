from datetime import UTC, datetime, timedelta, timezone
from types import SimpleNamespace

import pendulum
import pytest

from nocturne.errors import Misuse
from nocturne.nights import Night, night_of
from nocturne_airflow.night import find_night

FIRST = datetime(2026, 11, 18, 2, tzinfo=UTC)
SECOND = datetime(2026, 11, 19, 2, tzinfo=UTC)


def dag_run(start=None, end=None, run_after=SECOND) -> SimpleNamespace:
    return SimpleNamespace(data_interval_start=start, data_interval_end=end, run_after=run_after)


@pytest.mark.parametrize("interval", [(None, None), (FIRST, SECOND)])
def test_the_parameter_comes_first(interval):
    night = find_night({"date": "2026-11-01"}, dag_run(*interval))
    assert night == night_of(datetime(2026, 11, 1, tzinfo=UTC).date())
    assert night.data_date == "2026-11-01"


def test_a_scheduled_run_is_about_its_interval():
    assert find_night({"date": None}, dag_run(FIRST, SECOND)) == Night(FIRST, SECOND)


def test_airflows_own_datetimes_become_plain_ones():
    start, end = pendulum.instance(FIRST), pendulum.instance(SECOND)
    night = find_night({}, dag_run(start, end))
    assert night == Night(FIRST, SECOND)
    assert {type(night.start), type(night.end)} == {datetime}


@pytest.mark.parametrize(
    ("run_after", "start"),
    [
        (SECOND, FIRST),
        (SECOND - timedelta(seconds=1), FIRST - timedelta(days=1)),
        (SECOND + timedelta(hours=21), FIRST),
        (SECOND + timedelta(hours=24), SECOND),
        (datetime(2026, 11, 19, 1, 30, tzinfo=timezone(timedelta(hours=-2))), FIRST),
    ],
)
def test_a_run_by_hand_is_about_the_last_complete_night(run_after, start):
    night = find_night({"date": ""}, dag_run(run_after=run_after))
    assert night == Night(start, start + timedelta(days=1))


def test_half_an_interval_is_none():
    assert find_night({}, dag_run(start=SECOND)) == Night(FIRST, SECOND)


@pytest.mark.parametrize("date", ["yesterday", "2026-13-01", "2026-02-30"])
def test_what_is_no_day_is_refused_at_once(date):
    with pytest.raises(Misuse, match=date):
        find_night({"date": date}, dag_run(FIRST, SECOND))
