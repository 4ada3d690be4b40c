"""Which tracks the sample holds, who made them, when they came, and which are faulty."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from nocturne.sample.composition import ARTISTS_PER_GENRE, LIBRARY_STREAM, random_stream
from nocturne.sample.genres import GENRES
from nocturne.sample.names import ALBUMS, ARTISTS, TITLES

TRACKS_PER_GENRE = 11  # 66 tracks in all: five neighbours of the same genre for each, and more

# Far above FMA's ids (tracks end at 155,320), so that sample and real data can share a database.
FIRST_TRACK_ID = 900_001
FIRST_ARTIST_ID = 90_001
FIRST_ALBUM_ID = 91_001
FIRST_GENRE_ID = 9_001
FIRST_SUBGENRE_ID = 9_101

CORRUPT_TRACK_ID = 900_067  # bytes that are not audio
SILENT_TRACK_ID = 900_068  # nothing but zeros
SHORT_TRACK_ID = 900_069  # SHORT_SECONDS long
UNLISTED_TRACK_ID = 900_070  # good audio without a metadata row
MISSING_AUDIO_TRACK_ID = 900_071  # a metadata row without an audio file
SHORT_SECONDS = 0.3

FAULTY_TITLES = {
    CORRUPT_TRACK_ID: "Bit Rot",
    SILENT_TRACK_ID: "4'33\" (Abridged)",
    SHORT_TRACK_ID: "Blink",
    MISSING_AUDIO_TRACK_ID: "The Lost Tape",
}
FAULTY_TRACK_IDS = frozenset({*FAULTY_TITLES, UNLISTED_TRACK_ID})

OLD_SHARE = 2 / 3  # of the good tracks; they are there before any night that is backfilled
OLDEST_DAYS = 900
NEWEST_OLD_DAYS = 40  # more than a month, so that a month's backfill sees them all along
RECENT_DAYS = 21  # the library grows on each of these days, the last one included


@dataclass(frozen=True)
class SampleTrack:
    """A metadata row to be: `genre` is an index into GENRES, `take` counts within the genre.

    `fame` is what the world thinks of it, about 1 on average.
    """

    track_id: int
    genre: int
    take: int
    title: str
    created: datetime
    fame: float

    @property
    def artist(self) -> int:
        """Index of the artist among all; the album has the same index."""
        return self.genre * ARTISTS_PER_GENRE + self.take % ARTISTS_PER_GENRE

    @property
    def artist_name(self) -> str:
        return ARTISTS[self.genre][self.take % ARTISTS_PER_GENRE]

    @property
    def album_title(self) -> str:
        return ALBUMS[self.genre][self.take % ARTISTS_PER_GENRE]

    @property
    def in_subgenre(self) -> bool:
        """The later half of a genre's artists also carry its sub-genre."""
        return self.take % ARTISTS_PER_GENRE >= ARTISTS_PER_GENRE // 2


def list_good_tracks(last_day: date, tracks_per_genre: int) -> list[SampleTrack]:
    """The good tracks, genres by turns, oldest first."""
    days_before = _spread_days(tracks_per_genre * len(GENRES))
    return [
        _make_track(position, last_day - timedelta(days=days), _title(position))
        for position, days in enumerate(days_before)
    ]


def list_faulty_tracks(last_day: date) -> list[SampleTrack]:
    """The faulty tracks that have a metadata row: all old, so that every night meets them."""
    created = last_day - timedelta(days=NEWEST_OLD_DAYS)
    return [
        _make_track(track_id - FIRST_TRACK_ID, created, title)
        for track_id, title in sorted(FAULTY_TITLES.items())
    ]


def _spread_days(tracks: int) -> list[int]:
    """How many days before the last day each track came: old ones evenly, then recent ones."""
    old = round(OLD_SHARE * tracks)
    return _count_down(OLDEST_DAYS, NEWEST_OLD_DAYS, old) + _count_down(
        RECENT_DAYS - 1, 0, tracks - old
    )


def _count_down(first: int, last: int, steps: int) -> list[int]:
    return [first - round((first - last) * step / max(steps - 1, 1)) for step in range(steps)]


def _title(position: int) -> str:
    take, genre = divmod(position, len(GENRES))
    return TITLES[genre][take]


def _make_track(position: int, day: date, title: str) -> SampleTrack:
    take, genre = divmod(position, len(GENRES))
    rng = random_stream(LIBRARY_STREAM, position)
    midnight = datetime.combine(day, time(), UTC)
    return SampleTrack(
        track_id=FIRST_TRACK_ID + position,
        genre=genre,
        take=take,
        title=title,
        created=midnight + timedelta(seconds=int(rng.integers(24 * 3600))),
        fame=float(rng.gamma(1.5) / 1.5),  # many little known, a few famous; mean 1
    )
