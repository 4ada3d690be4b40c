"""A sample is whole or absent, equal bytes each time, and holds the faults it promises."""

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from nocturne.errors import BadInput
from nocturne.sample import catalogue
from nocturne.sample.audio_files import audio_path
from nocturne.sample.composition import SONG_SECONDS
from nocturne.sample.library import SampleLibrary, make_sample, planted_tastes

LAST_DAY = date(2026, 1, 31)
FILES = 6 + 4  # one good track a genre, and four faulty ones that have a file

MAKE_AND_DIE = """
import os, sys
from datetime import date
from pathlib import Path
from nocturne.sample.library import make_sample

def die(done, total):
    if done == 2:
        os._exit(9)

make_sample(Path(sys.argv[1]), date(2026, 1, 31), die if sys.argv[2] == "die" else None,
            tracks_per_genre=1)
"""


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample") / "library"
    make_sample(folder, LAST_DAY, tracks_per_genre=1)
    return folder


@pytest.fixture(scope="module")
def library(target: Path) -> SampleLibrary:
    return SampleLibrary(target / "audio", target / "metadata", target / "listening")


def read_all(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def make_elsewhere(target: Path, how: str) -> int:
    """Make a sample in a process of its own, with another hash seed."""
    environment = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", MAKE_AND_DIE, str(target), how]
    return subprocess.run(command, env=environment, timeout=120, check=False).returncode


def fail_at(limit: int) -> Callable[[int, int], None]:
    def fail(done: int, total: int) -> None:
        if done == limit:
            raise RuntimeError("disk full")

    return fail


def test_a_killed_build_leaves_nothing_and_the_next_one_equal_bytes(
    target: Path, tmp_path: Path
) -> None:
    again = tmp_path / "again"
    assert make_elsewhere(again, "die") == 9
    assert not again.exists()
    assert make_elsewhere(again, "live") == 0
    assert read_all(again) == read_all(target)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".again.lock", "again"]


def test_a_failed_build_cleans_up(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="disk full"):
        make_sample(tmp_path / "new", LAST_DAY, fail_at(1), tracks_per_genre=1)
    assert [path.name for path in tmp_path.iterdir()] == [".new.lock"]


def test_a_second_call_changes_nothing(target: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in target.rglob("*")}
    make_sample(target, LAST_DAY, fail_at(1), tracks_per_genre=1)
    assert {path: path.stat().st_mtime_ns for path in target.rglob("*")} == before


def test_another_last_day_replaces_the_sample_and_tells_its_progress(tmp_path: Path) -> None:
    folder = tmp_path / "library"
    make_sample(folder, LAST_DAY, tracks_per_genre=1)
    with pytest.raises(RuntimeError):
        make_sample(folder, date(2026, 3, 1), fail_at(1), tracks_per_genre=1)
    assert "2026-01-31" in (folder / "nocturne-sample.json").read_text()
    calls: list[tuple[int, int]] = []
    library = make_sample(
        folder, date(2026, 3, 1), lambda *call: calls.append(call), tracks_per_genre=1
    )
    assert calls == [(done, FILES) for done in range(1, FILES + 1)]
    assert '"at": "2026-03-01' in (library.listening_dir / "user_activity.jsonl").read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == [".library.lock", "library"]


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "music").mkdir()
    (tmp_path / "music" / "mine.flac").write_bytes(b"precious")
    with pytest.raises(BadInput, match="not a sample library"):
        make_sample(tmp_path / "music", LAST_DAY, tracks_per_genre=1)
    assert read_all(tmp_path / "music") == {"mine.flac": b"precious"}


def test_metadata_and_audio_differ_by_the_two_planted_faults(library: SampleLibrary) -> None:
    listed = set(pd.read_csv(library.metadata_dir / "raw_tracks.csv")["track_id"])
    found = {int(path.stem) for path in library.audio_dir.glob("900/*.flac")}
    assert found - listed == {catalogue.UNLISTED_TRACK_ID}
    assert listed - found == {catalogue.MISSING_AUDIO_TRACK_ID}
    assert len(found) == FILES


def test_the_corrupt_file_is_not_audio(library: SampleLibrary) -> None:
    with pytest.raises(soundfile.LibsndfileError):
        soundfile.read(audio_path(library.audio_dir, catalogue.CORRUPT_TRACK_ID))


def test_the_silent_file_is_long_and_silent(library: SampleLibrary) -> None:
    sound, rate = soundfile.read(audio_path(library.audio_dir, catalogue.SILENT_TRACK_ID))
    assert sound.size == SONG_SECONDS * rate
    assert not sound.any()


def test_the_short_file_is_short(library: SampleLibrary) -> None:
    info = soundfile.info(audio_path(library.audio_dir, catalogue.SHORT_TRACK_ID))
    assert info.duration == pytest.approx(0.3)


def test_good_files_are_loud_unclipped_and_of_equal_length(library: SampleLibrary) -> None:
    for track_id in (*range(900_001, 900_007), catalogue.UNLISTED_TRACK_ID):
        sound, rate = soundfile.read(audio_path(library.audio_dir, track_id))
        assert (rate, sound.ndim, sound.size) == (22050, 1, 12 * 22050)
        assert np.abs(sound).max() == pytest.approx(10 ** (-1 / 20), abs=1e-4)
        assert (np.abs(sound) > 0.88).mean() < 0.001
        assert 20 * np.log10(np.sqrt((sound**2).mean())) > -25
        assert abs(sound.mean()) < 1e-3


def test_planted_tastes_are_shares_of_six_genres(target: Path) -> None:
    tastes = planted_tastes(target)
    assert tastes.shape == (40, 6)
    assert tastes.sum(axis=1).to_numpy() == pytest.approx(np.ones(40), abs=1e-3)
    assert (tastes.max(axis=1) > 0.4).all()
