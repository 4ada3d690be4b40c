import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

GOOD_ROW = {
    "track_id": "2",
    "track_title": "Food",
    "artist_id": "1",
    "artist_name": "AWOL",
    "album_id": "1",
    "album_title": "AWOL - A Way Of Life",
    "track_genres": "[{'genre_id': '21', 'genre_title': 'Hip-Hop', 'genre_url': 'http://x/'}]",
    "track_duration": "168",
    "track_listens": "1293",
    "track_favorites": "2",
    "track_bit_rate": "256000",
    "track_date_created": "11/26/2008 01:48:12 AM",
    "license_title": "Attribution",
}


class Library:
    """A small music library on disk; rows are given as what differs from a good row."""

    def __init__(self, folder: Path) -> None:
        self.audio_dir = folder / "audio"
        self.metadata_dir = folder / "metadata"
        self.audio_dir.mkdir()
        self.metadata_dir.mkdir()

    def write_tracks(self, *rows: Mapping[str, str], name: str = "raw_tracks.csv") -> None:
        full = [{**GOOD_ROW, **row} for row in rows]
        self.write_csv(name, [list(full[0]), *(list(row.values()) for row in full)])

    def write_csv(self, name: str, rows: Sequence[Sequence[str]]) -> None:
        with (self.metadata_dir / name).open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows(rows)

    def write_audio(self, *paths: str, content: bytes = b"audio") -> None:
        for path in paths:
            file = self.audio_dir / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)


@pytest.fixture
def library(tmp_path: Path) -> Library:
    return Library(tmp_path)
