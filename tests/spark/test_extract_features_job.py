import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from pyspark.sql.functions import spark_partition_id

from nocturne.audio.analyse import analyse_file
from nocturne.audio.store import read_features
from nocturne.errors import BadInput
from spark_jobs.extract_features import (
    AudioFile,
    choose_pending,
    deal_files,
    extract_rows,
    list_contents,
    parse_arguments,
    run_job,
    spread_files,
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
        arguments = ["--catalogue", path, "--audio-dir", audio_dir, "--store", tmp_path / "store"]
        arguments += ["--report", tmp_path / "report.json"]
        for name, value in options.items():
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
        expected = analyse_file(audio_dir / paths[row.audio_sha256], row.audio_sha256, RATE)
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


def test_a_job_that_dies_leaves_the_store_as_it_was(run, tmp_path, audio_dir, monkeypatch):
    catalogue = catalogue_of(audio_dir)
    run(catalogue.iloc[:2])
    before = bytes_of(tmp_path / "store")
    with monkeypatch.context() as patch:
        patch.setattr("spark_jobs.extract_features.add_parts", die)
        with pytest.raises(KeyboardInterrupt):
            run(catalogue)
    assert bytes_of(tmp_path / "store") == before
    assert run(catalogue)["contents"] == 6


def die(*_arguments: object) -> None:
    raise KeyboardInterrupt


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
    rows = extract_rows(spread_files(spark, [files]), tmp_path, RATE).collect()
    assert [(row.audio_sha256, row.rule, row.features) for row in rows] == [
        ("b", "unreadable", None)
    ]


def test_each_hand_is_one_partition(spark):
    hands = [[AudioFile(f"{hand}{number}", "x", 1) for number in range(3)] for hand in range(7)]
    rows = spread_files(spark, hands).withColumn("partition", spark_partition_id()).collect()
    assert sorted({(row.audio_sha256[0], row.partition) for row in rows}) == [
        (str(hand), hand) for hand in range(7)
    ]
    assert len(rows) == 21


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
