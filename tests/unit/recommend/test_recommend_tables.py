import json

import numpy as np
import pytest

from nocturne.recommend.library import Library, find_genre
from nocturne.recommend.similar import search
from nocturne.recommend.tables import build_similar_rows, give_reason

VECTORS = np.array([[1, 0], [0.8, 0.6], [0, -1]], np.float32)


def build(clusters, count=2, track_ids=("a", "b", "c"), copies=None):
    library = Library(
        track_ids=list(track_ids),
        titles=["x"] * 3,
        artists=["y"] * 3,
        genres=[None] * 3,
        fame=np.zeros(3),
        clusters=clusters,
        features=np.zeros((3, 518)),
        copies=copies or {},
    )
    return list(build_similar_rows("v1", library, search(VECTORS, count)))


def test_a_row_a_track_under_its_version():
    rows = build([0, 0, 1])
    assert [row["_id"] for row in rows] == ["v1/a", "v1/b", "v1/c"]
    assert {row["version"] for row in rows} == {"v1"}
    first = rows[0]
    assert (first["track_id"], first["cluster"]) == ("a", 0)
    assert [item["track_id"] for item in first["similar"]] == ["b", "c"]
    assert [item["cluster"] for item in first["similar"]] == [0, 1]
    assert [item["reason"] for item in first["similar"]] == [
        "same cluster and close in timbre",
        "the nearest there is",
    ]
    assert [item["score"] for item in first["similar"]] == pytest.approx([0.8, 0.0], abs=1e-6)


def test_without_a_clustering_there_are_no_clusters_in_the_reasons():
    for row in build([None] * 3):
        assert row["cluster"] is None
        assert {(item["cluster"], item["reason"]) for item in row["similar"]} == {
            (None, "close in timbre" if item["score"] > 0 else "the nearest there is")
            for item in row["similar"]
        }


def test_rows_are_plain_json():
    rows = build([0, 0, 1])
    assert json.loads(json.dumps(rows)) == rows


def test_the_count_limits_the_lists():
    assert [len(row["similar"]) for row in build([0, 0, 1], count=1)] == [1, 1, 1]


def test_rows_are_in_the_order_of_ids_as_text():
    """As MongoDB's are: `10` before `9`, and capitals before small letters."""
    rows = build([0, 0, 0], track_ids=("10", "9", "Z"))
    assert [row["_id"] for row in rows] == ["v1/10", "v1/9", "v1/Z"]


@pytest.mark.parametrize(
    ("own", "other", "score", "reason"),
    [
        (0, 0, 0.9, "same cluster and close in timbre"),
        (0, 1, 0.9, "close in timbre"),
        (0, None, 0.31, "close in timbre"),
        (None, None, 0.31, "close in timbre"),
        (0, 0, 0.06, "the nearest there is"),
        (0, 1, -0.55, "the nearest there is"),
    ],
)
def test_reasons(own, other, score, reason):
    assert give_reason(own, other, score) == reason


def test_a_copy_has_the_list_of_the_track_that_stands_for_it():
    rows = {row["track_id"]: row for row in build([0, 0, 1], copies={"aa": "b", "z": "a"})}
    assert list(rows) == ["a", "aa", "b", "c", "z"]
    for copy, original in (("aa", "b"), ("z", "a")):
        own = {name: rows[copy].pop(name) for name in ("_id", "track_id", "copy_of")}
        assert own == {"_id": f"v1/{copy}", "track_id": copy, "copy_of": original}
        assert rows[copy].items() <= rows[original].items()
    assert all("copy_of" not in row for row in rows.values())


@pytest.mark.parametrize(
    ("metadata", "genre"),
    [
        ({"top_genre_title": "Rock", "genre_titles": ["Punk", "Rock"]}, "Rock"),
        ({"top_genre_title": "", "genre_titles": ["Punk", "Rock"]}, "Punk"),
        ({"genre_titles": []}, None),
        ({}, None),
    ],
)
def test_the_genre_of_a_track(metadata, genre):
    assert find_genre(metadata) == genre
