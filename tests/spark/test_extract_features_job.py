import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
import soundfile
from pyspark.sql.functions import spark_partition_id

from nocturne.audio.analyse import analyse_file
from nocturne.audio.extraction import choose_pending, list_contents
from nocturne.audio.names import Analysis
from nocturne.audio.store import add_part, read_features, read_known
from nocturne.catalogue.land import land_library
from nocturne.errors import BadInput
from nocturne.refusals import require_few
from nocturne.settings import PROJECT
from nocturne.stream.track_messages import join_features
from spark_jobs.extract_features import (
    AudioFile,
    deal_files,
    extract_rows,
    parse_arguments,
    run_job,
)

pytestmark = [
    pytest.mark.spark,
    # pyspark and py4j leave the sockets of collect() and parallelize() to the garbage collector.
    pytest.mark.filterwarnings(
        "ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning"
    ),
]

RATE = 22050
FEATURE_SET = "fma518-v1-22050"


@pytest.fixture
def audio_dir(tmp_path) -> Path:
    """Three good clips, a copy of one, and a file for each of three faults."""
    folder = tmp_path / "audio files"
    (folder / "000").mkdir(parents=True)
    random = np.random.default_rng(5)
    for number in range(3):
        noise = random.uniform(-0.5, 0.5, RATE * 2)
        soundfile.write(folder / "000" / f"good {number}.wav", noise, RATE)
    shutil.copy(folder / "000" / "good 0.wav", folder / "copy.wav")
    soundfile.write(folder / "silent.wav", np.zeros(RATE * 2), RATE)
    (folder / "empty.mp3").touch()
    (folder / "text.mp3").write_text("<html>404 Not Found</html>" * 100)
    return folder


def catalogue_of(audio_dir: Path) -> pd.DataFrame:
    files = sorted(path for path in audio_dir.rglob("*") if path.is_file())
    return pd.DataFrame(
        {
            "track_id": [str(number) for number in range(len(files))],
            "title": "Untitled",
            "audio_path": [str(path.relative_to(audio_dir)) for path in files],
            "audio_bytes": [path.stat().st_size for path in files],
            "audio_sha256": [sha256_of(path) for path in files],
        }
    )


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def run(spark, tmp_path, audio_dir):
    """Run the job over a catalogue, by default over all files."""

    def run_over(catalogue: pd.DataFrame | None = None, **options: object) -> dict[str, object]:
        path = tmp_path / "catalogue.parquet"
        (catalogue_of(audio_dir) if catalogue is None else catalogue).to_parquet(path)
        arguments = ["--catalogue", path, "--store", tmp_path / "store"]
        arguments += ["--report", tmp_path / "report.json"]
        for name, value in {"audio_dir": audio_dir, **options}.items():
            arguments += [f"--{name.replace('_', '-')}", value]
        report = run_job(spark, parse_arguments([str(argument) for argument in arguments]))
        del report["seconds"]
        return report

    return run_over


def bytes_of(store: Path) -> dict[str, bytes]:
    return {str(file.name): file.read_bytes() for file in store.rglob("*") if file.is_file()}


def test_extracts_once_and_then_changes_no_byte(run, tmp_path, audio_dir):
    report = run()
    assert report == {
        "feature_set": FEATURE_SET,
        "contents": 6,
        "extracted": 3,
        "reused": 0,
        "refused": {"empty": 1, "not_audio": 1, "silent": 1},
        "refused_before": {},
    }
    before = bytes_of(tmp_path / "store")
    assert len(before) == 1
    assert run() == {
        **report,
        "extracted": 0,
        "reused": 3,
        "refused": {},
        "refused_before": {"empty": 1, "not_audio": 1, "silent": 1},
    }
    assert bytes_of(tmp_path / "store") == before


def test_rows_equal_those_of_plain_python(run, tmp_path, audio_dir):
    run()
    catalogue = catalogue_of(audio_dir)
    rows = read_features(tmp_path / "store", FEATURE_SET, list(catalogue["audio_sha256"]))
    assert len(rows) == 6
    paths = dict(zip(catalogue["audio_sha256"], catalogue["audio_path"], strict=True))
    for row in rows.itertuples():
        expected = analyse_file(audio_dir / paths[row.audio_sha256], row.audio_sha256, Analysis())
        assert (row.rule, row.reason) == (expected.rule, expected.reason)
        if row.rule is None:
            np.testing.assert_array_equal(row.features, expected.features)
            assert row.duration_seconds == expected.duration_seconds == 2


def test_the_store_does_not_depend_on_the_partitions(run, tmp_path):
    run(partitions=1)
    alone = bytes_of(tmp_path / "store")
    shutil.rmtree(tmp_path / "store")
    run(partitions=5)
    assert bytes_of(tmp_path / "store") == alone


def test_only_new_contents_are_extracted(run, tmp_path, audio_dir):
    everything = catalogue_of(audio_dir)
    is_new = everything["audio_path"].isin(["000/good 2.wav", "silent.wav"])
    run(everything[~is_new])
    before = bytes_of(tmp_path / "store")
    report = run()
    assert (report["extracted"], report["reused"]) == (1, 2)
    assert report["refused"] == {"silent": 1}
    after = bytes_of(tmp_path / "store")
    assert len(after) == 2
    assert before.items() < after.items()


def test_an_unreadable_file_is_tried_again_until_it_can_be_read(run, tmp_path, audio_dir):
    catalogue = catalogue_of(audio_dir)
    clip, away = audio_dir / "000" / "good 1.wav", tmp_path / "away.wav"
    clip.rename(away)
    assert run(catalogue)["refused"]["unreadable"] == 1
    before = bytes_of(tmp_path / "store")
    report = run(catalogue)
    assert report["refused"] == {"unreadable": 1}
    assert bytes_of(tmp_path / "store") == before
    away.rename(clip)
    report = run(catalogue)
    assert (report["extracted"], report["refused"]) == (1, {})
    row = read_features(tmp_path / "store", FEATURE_SET, [sha256_of(clip)]).iloc[0]
    assert row["rule"] is None
    assert len(row["features"]) == 518


def test_rounds_add_their_rows_as_they_are_done(run, tmp_path):
    run()
    once = read_known(tmp_path / "store", FEATURE_SET)
    shutil.rmtree(tmp_path / "store")
    report = run(files_per_round=2)
    assert (report["contents"], report["extracted"]) == (6, 3)
    assert len(bytes_of(tmp_path / "store")) == 3
    assert read_known(tmp_path / "store", FEATURE_SET) == once


def test_a_job_that_dies_keeps_the_rounds_that_were_done(run, tmp_path, monkeypatch):
    def die_at_the_second(*arguments: object) -> None:
        if bytes_of(tmp_path / "store"):
            raise KeyboardInterrupt
        add_part(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr("spark_jobs.extract_features.add_part", die_at_the_second)
        with pytest.raises(KeyboardInterrupt):
            run(files_per_round=2)
    before = bytes_of(tmp_path / "store")
    report = run(files_per_round=2)
    assert report["extracted"] + sum(report["refused"].values()) == 4
    assert report["reused"] + sum(report["refused_before"].values()) == 2
    assert before.items() < bytes_of(tmp_path / "store").items()


def test_a_job_that_is_killed_keeps_the_rounds_that_were_done(tmp_path, audio_dir):
    """Kill -9 to driver, JVM and workers, as soon as the store has its first part."""
    random = np.random.default_rng(6)
    for number in range(8):
        noise = random.uniform(-0.5, 0.5, RATE * 4)
        soundfile.write(audio_dir / f"more {number}.wav", noise, RATE)
    catalogue_of(audio_dir).to_parquet(tmp_path / "catalogue.parquet")
    store = tmp_path / "store"
    job = subprocess.Popen(
        [
            sys.executable, "-m", "spark_jobs.extract_features",
            "--catalogue", tmp_path / "catalogue.parquet", "--audio-dir", audio_dir,
            "--store", store, "--report", tmp_path / "report.json", "--files-per-round", "2",
        ],
        cwd=PROJECT,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "PYSPARK_PYTHON": sys.executable,
            "PYSPARK_SUBMIT_ARGS": "--master local[1] --conf spark.ui.enabled=false"
            " --conf spark.driver.host=127.0.0.1 pyspark-shell",
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    while not list(store.glob("*/part-*")):
        assert job.poll() is None, "the job ended without a part"
        time.sleep(0.05)
    family = psutil.Process(job.pid).children(recursive=True)
    for process in (job, *family):
        process.kill()
    job.wait()
    kept = read_known(store, FEATURE_SET)
    assert 2 <= len(kept) < 14
    assert not (tmp_path / "report.json").exists()
    _, living = psutil.wait_procs(family, timeout=10)
    assert not living


def test_a_folder_of_a_hundred_files_with_six_bad_ones(run, tmp_path):
    """94 tracks are sent, 6 refused, each by its rule, and that is no reason to stop."""
    audio, metadata = tmp_path / "hundred", tmp_path / "metadata"
    metadata.mkdir()
    write_hundred(audio)
    rows = "".join(f"{number},Title {number},Artist\n" for number in range(1, 101))
    (metadata / "raw_tracks.csv").write_text(f"track_id,track_title,artist_name\n{rows}")

    landed = land_library(audio, metadata)
    require_few(len(landed.refusals), landed.rows_read + landed.files_found, 0.2, "rows and files")
    report = run(landed.tracks, audio_dir=audio, partitions=4)
    features = read_features(tmp_path / "store", FEATURE_SET, set(landed.tracks["audio_sha256"]))
    tracks, refusals = join_features(landed.tracks, features)
    require_few(len(refusals), len(landed.tracks), 0.2, "audio files")
    assert report["extracted"] == len(tracks) == 94
    assert landed.without_audio == []
    assert {refusal.source: refusal.rule for refusal in [*landed.refusals, *refusals]} == {
        "95.mp3": "audio_unreadable",
        "96.mp3": "empty",
        "97.flac": "damaged",
        "98.mp3": "not_audio",
        "99.wav": "not_finite",
        "100.wav": "empty",
    }


def write_hundred(audio: Path) -> None:
    """94 clips, a dead link, no bytes, a FLAC cut off, text, NaNs, a header without samples."""
    audio.mkdir()
    (audio / "95.mp3").symlink_to("nowhere.mp3")
    random = np.random.default_rng(7)
    noise = random.uniform(-0.5, 0.5, (100, round(1.2 * RATE)))
    for number in range(1, 95):
        form = ("wav", "flac", "ogg", "mp3")[number % 4]
        soundfile.write(audio / f"{number}.{form}", noise[number], RATE)
    (audio / "96.mp3").touch()
    soundfile.write(audio / "97.flac", random.uniform(-0.5, 0.5, 10 * RATE), RATE)
    content = (audio / "97.flac").read_bytes()
    (audio / "97.flac").write_bytes(content[: len(content) // 4])
    (audio / "98.mp3").write_text("<html>404 Not Found</html>" * 100)
    noise[99][1000] = np.nan
    soundfile.write(audio / "99.wav", noise[99], RATE, subtype="FLOAT")
    soundfile.write(audio / "100.wav", np.empty(0), RATE)


def test_excerpts_and_native_rates_are_feature_sets_of_their_own(run, tmp_path, audio_dir):
    catalogue = catalogue_of(audio_dir).iloc[:2]
    for options, name, seconds in (
        ({"excerpt_seconds": 1.5}, "fma518-v1-22050-1.5s", 1.5),
        ({"sample_rate": "native"}, "fma518-v1-native", 2),
    ):
        assert run(catalogue, **options)["feature_set"] == name
        rows = read_features(tmp_path / "store", name, list(catalogue["audio_sha256"]))
        assert rows["duration_seconds"].tolist() == [seconds, seconds]


def test_an_empty_catalogue_is_no_work(run, tmp_path, audio_dir):
    assert run(catalogue_of(audio_dir).iloc[:0])["contents"] == 0
    assert not (tmp_path / "store").exists()


def test_a_sample_rate_without_all_features_is_refused_at_once(run):
    with pytest.raises(BadInput, match="16000"):
        run(sample_rate=8000)


def test_extract_rows_keeps_known_unreadable_files_out(spark, tmp_path):
    files = [
        AudioFile("a", "missing.wav", 10, tried_before=True),
        AudioFile("b", "missing.wav", 10, tried_before=False),
    ]
    rows = extract_rows(spark, [files], tmp_path, Analysis()).collect()
    assert [(row.audio_sha256, row.rule, row.features) for row in rows] == [
        ("b", "unreadable", None)
    ]


def test_each_hand_is_one_partition(spark, tmp_path):
    hands = [[AudioFile(f"{hand}{number}", "x", 1) for number in range(3)] for hand in range(7)]
    rows = extract_rows(spark, hands, tmp_path, Analysis())
    found = rows.withColumn("partition", spark_partition_id()).collect()
    assert sorted({(row.audio_sha256[0], row.partition) for row in found}) == [
        (str(hand), hand) for hand in range(7)
    ]
    assert len(found) == 21


def test_hands_are_balanced_by_bytes_and_deterministic():
    random = np.random.default_rng(2)
    sizes = np.concatenate([random.integers(1, 1000, 200), [5000, 5000, 4000]])
    files = [AudioFile(f"{number:03d}", "x", int(size)) for number, size in enumerate(sizes)]
    hands = deal_files(files, 8)
    assert sorted(file for hand in hands for file in hand) == sorted(files)
    held = [sum(file.audio_bytes for file in hand) for hand in hands]
    assert max(held) - min(held) < 100
    assert deal_files(files[::-1], 8) == hands


def test_there_are_never_more_hands_than_files():
    assert len(deal_files([AudioFile("a", "x", 0), AudioFile("b", "x", 0)], 8)) == 2


def test_tracks_that_share_a_content_are_one_file(audio_dir, tmp_path):
    catalogue_of(audio_dir).to_parquet(tmp_path / "catalogue.parquet")
    contents = list_contents(tmp_path / "catalogue.parquet")
    assert len(contents) == 6
    shared = sha256_of(audio_dir / "copy.wav")
    assert [file.audio_path for file in contents if file.audio_sha256 == shared] == [
        "000/good 0.wav"
    ]


def test_pending_are_the_unknown_and_the_unreadable():
    files = [AudioFile(sha256, "x", 1) for sha256 in "abcd"]
    known = {"a": None, "b": "silent", "c": "unreadable"}
    assert choose_pending(files, known) == [
        AudioFile("c", "x", 1, tried_before=True),
        AudioFile("d", "x", 1, tried_before=False),
    ]


@pytest.mark.real_data
def test_real_clips(run, tmp_path, audio_dir, real_data):
    for name in ("533.mp3", "534.mp3"):
        shutil.copy(real_data / "fma/audio" / name, audio_dir / name)
    report = run()
    assert report["extracted"] == 5
    assert json.dumps(report)
