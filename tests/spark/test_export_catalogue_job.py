import json
from pathlib import Path

import pandas as pd
import pytest

from nocturne.audio.names import FEATURE_NAMES
from nocturne.catalogue.export import COLUMNS, require_complete
from nocturne.errors import BadInput
from nocturne.settings import Settings
from spark_jobs.export_catalogue import parse_arguments, run_job, select_columns, write_csv

pytestmark = pytest.mark.spark

TRACK_SCHEMA = (
    "_id string, features array<double>,"
    " metadata struct<audio_path: string, genre_id: string, title: string>"
)
FLAT_SCHEMA = (
    "_id string, File_Name string, MFCCs array<double>, Spectral_Centroid double,"
    " Zero_Crossing_Rate double, genre_id int"
)
DIFFICULT = [
    "plain.mp3",
    'the "best" of.mp3',
    '"',
    "a, b; c.mp3",
    "two\nlines.mp3",
    "carriage\rreturn.mp3",
    "back\\slash\\.mp3",
    "\\",
    " spaces around ",
    "Björk: Jóga 音楽.mp3",
    "#hash.mp3",
    "'quoted'",
    "NA",
]


def make_features(offset: float) -> list[float]:
    return [offset + place for place in range(len(FEATURE_NAMES))]


def place_of(name: str) -> int:
    return FEATURE_NAMES.index(name)


def read_back(target: Path) -> pd.DataFrame:
    return pd.read_csv(target, dtype=str, keep_default_na=False)


@pytest.fixture
def target(tmp_path) -> Path:
    return tmp_path / "my exports+more" / "output.csv"


def test_tracks_become_the_five_columns(spark, target):
    rows = [
        ("2", make_features(0.5), ("000/b.mp3", "10", "B")),
        ("10", make_features(0.25), ("a.mp3", None, "A")),
    ]
    write_csv(select_columns(spark.createDataFrame(rows, TRACK_SCHEMA)), target)
    found = pd.read_csv(target)
    assert list(found.columns) == COLUMNS
    assert list(found["File_Name"]) == ["a.mp3", "b.mp3"]
    for row, offset in zip(found.itertuples(), (0.25, 0.5), strict=True):
        first = place_of("mfcc.mean.01")
        assert json.loads(row.MFCCs) == [offset + first + number for number in range(20)]
        assert row.Spectral_Centroid == offset + place_of("spectral_centroid.mean.01")
        assert row.Zero_Crossing_Rate == offset + place_of("zcr.mean.01")
    assert found["genre_id"].isna().tolist() == [True, False]
    assert found["genre_id"][1] == 10


def test_flat_documents_keep_their_values(spark, target):
    rows = [("1", "x.wav", [1.5, -2.0], 1800.25, 0.05, 7), ("2", "y.wav", None, None, 0.1, None)]
    write_csv(select_columns(spark.createDataFrame(rows, FLAT_SCHEMA)), target)
    assert read_back(target).to_numpy().tolist() == [
        ["x.wav", "[1.5,-2.0]", "1800.25", "0.05", "7"],
        ["y.wav", "", "", "0.1", ""],
    ]


def test_doubles_keep_every_bit(spark, target):
    values = [0.1 + 0.2, 1e-300, 123456789.123456789, -1 / 3]
    rows = [(str(n), str(n), [value], value, value, n) for n, value in enumerate(values)]
    write_csv(select_columns(spark.createDataFrame(rows, FLAT_SCHEMA)), target)
    found = pd.read_csv(target, float_precision="round_trip")
    assert found["Spectral_Centroid"].tolist() == values
    assert [json.loads(text)[0] for text in found["MFCCs"]] == values


def test_difficult_names_survive(spark, target):
    rows = [(str(n), name, [], 1.0, 1.0, 1) for n, name in enumerate(DIFFICULT)]
    write_csv(select_columns(spark.createDataFrame(rows, FLAT_SCHEMA)), target)
    assert sorted(read_back(target)["File_Name"]) == sorted(DIFFICULT)


def test_the_rows_are_in_one_order_whatever_order_they_came_in(spark, target):
    rows = [(str(n), f"{n % 50:03d}.mp3", [float(n)], n / 7, 0.5, n) for n in range(400)]
    texts = set()
    for parts, given in ((1, rows), (7, rows[::-1])):
        documents = spark.createDataFrame(given, FLAT_SCHEMA).repartition(parts)
        write_csv(select_columns(documents), target)
        texts.add(target.read_bytes())
    assert len(texts) == 1
    assert read_back(target)["File_Name"].is_monotonic_increasing


def test_one_file_replaces_the_last_one(spark, target):
    for count in (3, 2):
        rows = [(str(n), f"{n}.mp3", [], 1.0, 1.0, 1) for n in range(count)]
        write_csv(select_columns(spark.createDataFrame(rows, FLAT_SCHEMA)), target)
        assert [path.name for path in target.parent.iterdir()] == ["output.csv"]
        assert require_complete(target, count) == count
    assert target.read_text("utf-8").splitlines()[0] == ",".join(COLUMNS)


@pytest.mark.parametrize(
    "schema",
    ["_id string, title string", "features array<double>", "File_Name string, MFCCs string"],
)
def test_other_fields_are_refused_by_name(spark, schema):
    with pytest.raises(BadInput, match="neither") as raised:
        select_columns(spark.createDataFrame([], schema))
    assert all(field.split()[0] in str(raised.value) for field in schema.split(", "))


def test_tracks_without_a_path_are_refused(spark):
    for metadata in ("string", "struct<title: string>"):
        schema = f"_id string, features array<double>, metadata {metadata}"
        with pytest.raises(BadInput, match="audio_path"):
            select_columns(spark.createDataFrame([], schema))


@pytest.fixture
def export(spark, database, servers: Settings, target, monkeypatch):
    """Run the job over a collection of the test database."""
    monkeypatch.setenv("NOCTURNE_MONGO_URI", servers.mongo_uri)

    def run_over(collection: str) -> pd.DataFrame:
        words = ["--database", database.name, "--collection", collection, "--target", str(target)]
        run_job(spark, parse_arguments(words))
        require_complete(target, database[collection].count_documents({}))
        return read_back(target)

    return run_over


@pytest.mark.integration
def test_the_collection_of_the_issue(database, export):
    """MYDB.MTDATA as feature-extraction scripts fill it: flat, other fields beside."""
    database["MTDATA"].insert_many(
        {
            "File_Name": name,
            "MFCCs": [number + 0.5, -1.25],
            "Spectral_Centroid": 1000.5 + number,
            "Zero_Crossing_Rate": 0.125,
            "genre_id": number,
            "Tempo": 120,
        }
        for number, name in enumerate(sorted(DIFFICULT))
    )
    found = export("MTDATA")
    assert list(found.columns) == COLUMNS
    assert found["File_Name"].tolist() == sorted(DIFFICULT)
    assert found.iloc[1].tolist()[1:] == ["[1.5,-1.25]", "1001.5", "0.125", "1"]


@pytest.mark.integration
@pytest.mark.parametrize("genre_ids", [("10", "21"), ("10", None), (None, None)])
def test_the_collection_of_tracks(database, export, genre_ids):
    database["tracks"].insert_many(
        {
            "_id": str(number),
            "features": make_features(0.5),
            "metadata": {"audio_path": f"000/{number}.mp3", "genre_id": genre_id, "title": "x"},
            "source": {"topic": "tracks.features", "partition": 0, "offset": number},
        }
        for number, genre_id in enumerate(genre_ids)
    )
    found = export("tracks")
    assert found["File_Name"].tolist() == ["0.mp3", "1.mp3"]
    assert found["genre_id"].tolist() == [genre_id or "" for genre_id in genre_ids]


@pytest.mark.integration
def test_an_empty_collection_is_refused_and_the_last_export_stays(database, export, target):
    target.parent.mkdir()
    target.write_text("the last export", encoding="utf-8")
    database.create_collection("empty")
    for collection in ("empty", "missing"):
        with pytest.raises(BadInput, match="no documents"):
            export(collection)
    assert target.read_text("utf-8") == "the last export"
