import json

import numpy as np
import pytest

from nocturne.recommend.tables import build_similar_rows, give_reason

FEATURES = np.array([[1.0, 2.0], [1.0, 2.1], [-5.0, 1.0]])


def build(clusters, count=2):
    return list(build_similar_rows("v1", ["b", "a", "c"], FEATURES, clusters, count))


def test_a_row_a_track_under_its_version():
    rows = build({"a": 0, "b": 0, "c": 1})
    assert [row["_id"] for row in rows] == ["v1/a", "v1/b", "v1/c"]
    assert {row["version"] for row in rows} == {"v1"}
    first = rows[0]
    assert (first["track_id"], first["cluster"]) == ("a", 0)
    assert [item["track_id"] for item in first["similar"]] == ["b", "c"]
    assert [item["cluster"] for item in first["similar"]] == [0, 1]
    assert [item["reason"] for item in first["similar"]] == [
        "same cluster and close in sound",
        "close in sound",
    ]
    scores = [item["score"] for item in first["similar"]]
    assert scores == sorted(scores, reverse=True)


def test_without_a_clustering_there_are_no_clusters_in_the_reasons():
    for row in build({}):
        assert row["cluster"] is None
        assert {(item["cluster"], item["reason"]) for item in row["similar"]} == {
            (None, "close in sound")
        }


def test_rows_are_plain_json():
    rows = build({"a": 0, "b": 0, "c": 1})
    assert json.loads(json.dumps(rows)) == rows


def test_the_count_limits_the_lists():
    assert [len(row["similar"]) for row in build({}, count=1)] == [1, 1, 1]


@pytest.mark.parametrize(
    ("own", "other", "reason"),
    [
        (0, 0, "same cluster and close in sound"),
        (0, 1, "close in sound"),
        (0, None, "close in sound"),
        (None, None, "close in sound"),
    ],
)
def test_reasons(own, other, reason):
    assert give_reason(own, other) == reason
