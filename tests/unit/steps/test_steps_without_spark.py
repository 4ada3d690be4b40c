"""What a Spark job's task does when no driver is needed."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from nocturne.audio.names import feature_set
from nocturne.audio.store import SCHEMA, add_part
from nocturne.models.taste import read_taste
from nocturne.settings import Settings
from nocturne.steps.without_spark import (
    nothing_to_extract,
    settle,
    taste_in_memory,
    trained_already,
)

HERE = Settings(spark_master="local[2]")
CLUSTER = Settings(spark_master="spark://master:7077")


@pytest.fixture
def extraction(tmp_path) -> dict[str, str]:
    """Options for a catalogue of two contents, of which the store knows the first."""
    rows = [(f"{letter * 64}", f"{letter}.wav", 1) for letter in "ab"]
    catalogue = pd.DataFrame(rows, columns=["audio_sha256", "audio_path", "audio_bytes"])
    catalogue.to_parquet(tmp_path / "catalogue.parquet")
    store(tmp_path, "a", None)
    return {
        "catalogue": str(tmp_path / "catalogue.parquet"), "store": str(tmp_path / "store"),
        "sample-rate": "22050", "excerpt-seconds": "0", "report": str(tmp_path / "report.json"),
    }  # fmt: skip


def store(folder: Path, letter: str, rule: str | None) -> None:
    row = {"audio_sha256": letter * 64, "features": None if rule else [0.5], "rule": rule}
    rows = pa.Table.from_pylist([{**row, "reason": rule, "duration_seconds": 1.0}], SCHEMA)
    add_part(folder / "store", feature_set(22050, 0), rows)


def test_a_new_content_needs_spark(extraction):
    assert nothing_to_extract(HERE, extraction) is None
    assert not Path(extraction["report"]).exists()


def test_a_store_that_knows_everything_needs_only_a_report(extraction, tmp_path):
    store(tmp_path, "b", "silent")
    assert "all 2 contents" in nothing_to_extract(HERE, extraction)
    report = json.loads(Path(extraction["report"]).read_text("utf-8"))
    assert (report["contents"], report["extracted"], report["reused"]) == (2, 0, 1)
    assert report["refused_before"] == {"silent": 1}


def test_what_is_not_of_a_night_is_sparks(tmp_path):
    assert settle("export_catalogue", HERE, {"target": str(tmp_path)}) is None
    assert "trained already" in settle("train_clusters", HERE, {"target": str(tmp_path)})


def test_a_model_that_is_there_is_left_alone(tmp_path):
    options = {"target": str(tmp_path / "clusters")}
    assert trained_already(HERE, options) is None
    (tmp_path / "clusters").mkdir()
    assert "trained already" in trained_already(HERE, options)


@pytest.fixture
def ratings(tmp_path) -> dict[str, str]:
    """Eight listeners who like every other of six items; options to train their taste."""
    rows = [
        (f"u{user}", f"i{item}", 1.0 + item / 10, "validation" if item == user % 2 else "train")
        for user in range(8)
        for item in range(user % 2, 6, 2)
    ]
    table = pd.DataFrame(rows, columns=["user", "item", "weight", "part"])
    table.to_parquet(tmp_path / "ratings.parquet")
    return {"ratings": str(tmp_path / "ratings.parquet"), "target": str(tmp_path / "v" / "taste")}


def test_on_one_machine_taste_is_trained_in_memory(ratings):
    assert "24 ratings" in taste_in_memory(HERE, ratings)
    taste, report = read_taste(Path(ratings["target"]))
    assert report["listeners"] == 8
    users, items = taste.final
    own = np.arange(8)[:, None] % 2 == np.arange(6) % 2
    assert (users @ items.T)[own].min() > (users @ items.T)[~own].max()
    assert "trained already" in taste_in_memory(CLUSTER, ratings)


def test_on_a_cluster_taste_is_sparks(ratings):
    assert taste_in_memory(CLUSTER, ratings) is None
    assert not Path(ratings["target"]).parent.exists()


def test_without_anything_liked_there_is_nothing_to_train(ratings):
    table = pd.read_parquet(ratings["ratings"]).assign(weight=-1.0)
    table.to_parquet(ratings["ratings"])
    for settings in (HERE, CLUSTER):
        assert "Nobody has liked anything" in taste_in_memory(settings, ratings)
    assert not Path(ratings["target"]).parent.exists()
