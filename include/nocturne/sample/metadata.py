"""The metadata tables, in the raw schema of FMA (Defferrard et al. 2017)."""

import csv
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from nocturne.sample.catalogue import (
    FIRST_ALBUM_ID,
    FIRST_ARTIST_ID,
    FIRST_GENRE_ID,
    FIRST_SUBGENRE_ID,
    SampleTrack,
)
from nocturne.sample.composition import ARTISTS_PER_GENRE, SONG_SECONDS
from nocturne.sample.genres import GENRES
from nocturne.sample.synthesis import SAMPLE_RATE

SITE = "https://nocturne.example"  # a domain reserved for examples (RFC 2606)
LICENSE = "CC0 1.0 (synthesised)"
PCM_BIT_RATE = 16 * SAMPLE_RATE  # bits a second before FLAC packs them
LISTENS_PER_FAME = 1_500
FAVOURITES_PER_FAME = 40

TRACK_COLUMNS = (
    "track_id", "album_id", "album_title", "album_url", "artist_id", "artist_name", "artist_url",
    "artist_website", "license_image_file", "license_image_file_large", "license_parent_id",
    "license_title", "license_url", "tags", "track_bit_rate", "track_comments", "track_composer",
    "track_copyright_c", "track_copyright_p", "track_date_created", "track_date_recorded",
    "track_disc_number", "track_duration", "track_explicit", "track_explicit_notes",
    "track_favorites", "track_file", "track_genres", "track_image_file", "track_information",
    "track_instrumental", "track_interest", "track_language_code", "track_listens",
    "track_lyricist", "track_number", "track_publisher", "track_title", "track_url",
)  # fmt: skip
GENRE_COLUMNS = ("genre_id", "#tracks", "parent", "title", "top_level")
ALBUM_COLUMNS = (
    "album_id", "album_comments", "album_date_created", "album_year_released", "album_engineer",
    "album_favorites", "album_handle", "album_image_file", "album_images", "album_information",
    "album_listens", "album_producer", "album_title", "album_tracks", "album_type", "album_url",
    "artist_name", "artist_url", "tags",
)  # fmt: skip
ARTIST_COLUMNS = (
    "artist_id", "artist_active_year_begin", "artist_bio", "artist_comments",
    "artist_date_created", "artist_favorites", "artist_handle", "artist_name", "artist_url",
    "tags",
)  # fmt: skip

Row = Mapping[str, object]


def write_metadata(folder: Path, tracks: Sequence[SampleTrack]) -> None:
    """Write raw_tracks.csv, genres.csv, raw_albums.csv and raw_artists.csv, in UTF-8."""
    folder.mkdir(parents=True)
    makers = [tracks_of[0] for tracks_of in _group_by_artist(tracks)]
    albums = [_album_row(tracks_of) for tracks_of in _group_by_artist(tracks)]
    write_table(folder / "raw_tracks.csv", TRACK_COLUMNS, map(_track_row, tracks))
    write_table(folder / "genres.csv", GENRE_COLUMNS, _genre_rows(tracks))
    write_table(folder / "raw_albums.csv", ALBUM_COLUMNS, albums)
    write_table(folder / "raw_artists.csv", ARTIST_COLUMNS, map(_artist_row, makers))


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Row]) -> None:
    """Write a CSV with a header; what a row does not hold stays empty."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _group_by_artist(tracks: Sequence[SampleTrack]) -> list[list[SampleTrack]]:
    """Each artist's tracks, oldest first."""
    artists = sorted({track.artist for track in tracks})
    ordered = sorted(tracks, key=lambda track: track.created)
    return [[track for track in ordered if track.artist == artist] for artist in artists]


def _track_row(track: SampleTrack) -> Row:
    return {
        **_maker_columns(track),
        "track_id": track.track_id,
        "album_id": FIRST_ALBUM_ID + track.artist,
        "album_title": track.album_title,
        "license_title": LICENSE,
        "license_url": "https://creativecommons.org/publicdomain/zero/1.0/",
        "tags": "[]",
        "track_bit_rate": PCM_BIT_RATE,
        "track_date_created": _fma_date(track),
        "track_duration": f"{int(SONG_SECONDS) // 60:02}:{int(SONG_SECONDS) % 60:02}",
        "track_favorites": int(FAVOURITES_PER_FAME * track.fame),
        "track_genres": str(_genre_list(track)),
        "track_instrumental": 1,
        "track_number": track.take // ARTISTS_PER_GENRE + 1,
        "track_listens": int(LISTENS_PER_FAME * track.fame),
        "track_title": track.title,
        "track_url": f"{SITE}/track/{track.track_id}",
    }


def _maker_columns(track: SampleTrack) -> dict[str, object]:
    artist_id = FIRST_ARTIST_ID + track.artist
    return {
        "artist_id": artist_id,
        "artist_name": track.artist_name,
        "artist_url": f"{SITE}/artist/{artist_id}",
    }


def _genre_list(track: SampleTrack) -> list[dict[str, str]]:
    """FMA writes this list as Python text; a sub-genre comes after its parent."""
    genre = GENRES[track.genre]
    titles = {FIRST_GENRE_ID + track.genre: genre.name}
    if track.in_subgenre:
        titles[FIRST_SUBGENRE_ID + track.genre] = genre.subgenre
    return [
        {
            "genre_id": str(genre_id),
            "genre_title": title,
            "genre_url": f"{SITE}/genre/{title.replace(' ', '_')}",
        }
        for genre_id, title in titles.items()
    ]


def _fma_date(track: SampleTrack) -> str:
    """UTC as FMA writes it, `11/26/2008 01:48:12 AM`, whatever the locale calls the forenoon."""
    half = "AM" if track.created.hour < 12 else "PM"
    return f"{track.created:%m/%d/%Y %I:%M:%S} {half}"


def _genre_rows(tracks: Sequence[SampleTrack]) -> list[Row]:
    """FMA's tree: a parent of 0 marks a root, and `top_level` is the root above each."""
    in_genre = Counter(track.genre for track in tracks)
    in_subgenre = Counter(track.genre for track in tracks if track.in_subgenre)
    roots: list[Row] = []
    leaves: list[Row] = []
    for index, genre in enumerate(GENRES):
        root, leaf = FIRST_GENRE_ID + index, FIRST_SUBGENRE_ID + index
        roots.append(_genre_row(root, in_genre[index], 0, genre.name, root))
        leaves.append(_genre_row(leaf, in_subgenre[index], root, genre.subgenre, root))
    return roots + leaves


def _genre_row(genre_id: int, tracks: int, parent: int, title: str, top_level: int) -> Row:
    return dict(zip(GENRE_COLUMNS, (genre_id, tracks, parent, title, top_level), strict=True))


def _album_row(tracks: Sequence[SampleTrack]) -> Row:
    first = tracks[0]
    album_id = FIRST_ALBUM_ID + first.artist
    return {
        "album_id": album_id,
        "album_comments": 0,
        "album_date_created": _fma_date(first),
        "album_year_released": first.created.year,
        "album_favorites": int(FAVOURITES_PER_FAME * sum(track.fame for track in tracks)),
        "album_listens": int(LISTENS_PER_FAME * sum(track.fame for track in tracks)),
        "album_title": first.album_title,
        "album_tracks": len(tracks),
        "album_type": "Album",
        "album_url": f"{SITE}/album/{album_id}",
        "artist_name": first.artist_name,
        "artist_url": _maker_columns(first)["artist_url"],
        "tags": "[]",
    }


def _artist_row(first: SampleTrack) -> Row:
    return {
        **_maker_columns(first),
        "artist_active_year_begin": first.created.year,
        "artist_bio": f"<p>Plays {GENRES[first.genre].name}; exists only in arithmetic.</p>",
        "artist_comments": 0,
        "artist_date_created": _fma_date(first),
        "artist_favorites": int(FAVOURITES_PER_FAME * first.fame),
        "artist_handle": first.artist_name.replace(" ", "_"),
        "tags": "[]",
    }
