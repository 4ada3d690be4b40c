from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nocturne.errors import Misuse
from nocturne.nights import NIGHT_STARTS_AT, NIGHTLY_CRON, last_complete_night, night_of, parse_day

ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
MOMENTS = st.datetimes(datetime(1970, 1, 10), datetime(2200, 1, 1), timezones=ZONES)  # noqa: DTZ001
TWO = datetime(2026, 11, 20, 2, tzinfo=UTC)


def test_a_night_begins_at_two_and_lasts_a_day():
    night = night_of(date(2026, 11, 19))
    assert night.start == datetime(2026, 11, 19, 2, tzinfo=UTC)
    assert night.end == TWO
    assert night.data_date == "2026-11-19"


def test_the_cron_line_and_the_time_agree():
    assert f"{NIGHT_STARTS_AT.minute} {NIGHT_STARTS_AT.hour} * * *" == NIGHTLY_CRON


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (TWO, "2026-11-19"),
        (TWO - timedelta(microseconds=1), "2026-11-18"),
        (TWO + timedelta(microseconds=1), "2026-11-19"),
        (TWO + timedelta(hours=21, minutes=59), "2026-11-19"),
        (TWO + timedelta(hours=23), "2026-11-19"),
        (TWO + timedelta(days=1), "2026-11-20"),
        (datetime(2027, 1, 1, 0, tzinfo=UTC), "2026-12-30"),
        (datetime(2028, 3, 1, 2, tzinfo=UTC), "2028-02-29"),
    ],
)
def test_the_last_complete_night_around_two(now, expected):
    assert last_complete_night(now).data_date == expected


@given(MOMENTS)
@example(TWO)
def test_the_last_complete_night_has_ended_and_is_the_newest_that_has(now):
    night = last_complete_night(now)
    assert night.end <= now
    following = night_of(night.start.date() + timedelta(days=1))
    assert following.start == night.end
    assert following.end > now


@given(MOMENTS, ZONES)
def test_the_zone_of_the_clock_does_not_matter(now, zone):
    assert last_complete_night(now.astimezone(zone)) == last_complete_night(now)


@given(st.dates(date(1970, 1, 1), date(2200, 1, 1)))
def test_a_night_is_named_by_its_first_day(day):
    assert parse_day(night_of(day).data_date) == day


@pytest.mark.parametrize("text", ["yesterday", "2026-02-30", "19.11.2026", "", "2026-11-19T02:00"])
def test_what_is_no_day_is_misuse_quoting_it(text):
    with pytest.raises(Misuse, match="write it as 2026-11-19") as refused:
        parse_day(text)
    assert repr(text) in str(refused.value)
