"""A night: the day of data that one nightly run sees."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from nocturne.errors import Misuse

# 02:00 UTC: the day's listening is over on most of the planet's busiest clocks.
NIGHTLY_CRON = "0 2 * * *"
NIGHT_STARTS_AT = time(2, tzinfo=UTC)
# Between two nights: what listeners did is stored this soon.
LISTENING_CRON = "*/10 * * * *"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Night:
    """The data interval from `start` (inclusive) to `end` (exclusive), named by its first day."""

    start: datetime
    end: datetime

    @property
    def data_date(self) -> str:
        return self.start.date().isoformat()


def night_of(day: date) -> Night:
    """The interval that begins on a day. Raises Misuse for the last day that there is."""
    if day == date.max:
        raise Misuse(f"The night of {day} is not over, and never will be.")
    start = datetime.combine(day, NIGHT_STARTS_AT)
    return Night(start, start + timedelta(days=1))


def last_complete_night(now: datetime) -> Night:
    """The newest interval that has ended."""
    tonight = night_of(now.astimezone(UTC).date())
    days = 1 if tonight.start <= now else 2
    return night_of(tonight.start.date() - timedelta(days=days))


def require_over(night: Night, now: datetime) -> None:
    """Raise Misuse if the night is not over at `now`: half a day, or a day to come, would be live
    for good, for no later night displaces a newer day.
    """
    if night.end > now:
        newest = last_complete_night(now).data_date
        raise Misuse(f"The night of {night.data_date} is not over; the last one that is: {newest}.")


def parse_day(text: str) -> date:
    """Raises Misuse if it is not a date as in 2026-11-19."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise Misuse(f"{text!r} is not a day; write it as 2026-11-19.") from error


def parse_moment(text: str) -> datetime:
    """A moment without a zone is UTC. Raises Misuse if it is none."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise Misuse(f"{text!r} is not a moment; write it as 2026-11-19T08:00:00Z.") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def parse_past_moment(text: str) -> datetime:
    """A moment that has been, in the years that have a Unix time. Raises Misuse otherwise."""
    moment = parse_moment(text)
    if not EPOCH <= moment <= datetime.now(UTC):
        raise Misuse(f"{text!r} is not between 1970 and now.")
    return moment
