import numpy as np
import pytest

from nocturne.models.projection import MOST_DRAWN, project_tracks, tabulate_clusters

IDS = ["b", "a", "c"]
POINTS = np.array([[1.0, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12]])
LABELS = np.array([1, 0, 1], np.int32)


def test_clusters_are_typed_and_sorted_by_id():
    clusters = tabulate_clusters(IDS, LABELS)
    assert clusters.to_numpy().tolist() == [["a", 0], ["b", 1], ["c", 1]]
    assert clusters.dtypes.astype(str).to_dict() == {"track_id": "string", "cluster": "int32"}


def test_without_labels_there_are_typed_columns_and_no_rows():
    none = tabulate_clusters(IDS, None)
    assert none.dtypes.astype(str).to_dict() == {"track_id": "string", "cluster": "int32"}
    assert none.empty


def test_a_track_keeps_its_own_components_and_cluster():
    table = project_tracks(IDS, POINTS, LABELS)
    assert table.to_numpy().tolist() == [["a", 0, 5, 6, 7], ["b", 1, 1, 2, 3], ["c", 1, 9, 10, 11]]


@pytest.mark.parametrize("components", [0, 1, 2])
def test_components_that_there_are_not_are_0(components):
    table = project_tracks(IDS, POINTS[:, :components], LABELS)
    assert table.shape == (3, 5)
    assert (table.iloc[:, 2 + components :] == 0).all(axis=None)


def test_without_labels_clusters_are_missing(tmp_path):
    table = project_tracks(IDS, POINTS, None)
    assert table["cluster"].isna().all()
    assert project_tracks([], np.empty((0, 0)), None).shape == (0, 5)


def test_of_a_large_library_the_same_tracks_are_drawn_in_any_order():
    ids = [f"{number:05d}" for number in range(MOST_DRAWN + 501)]
    points = np.arange(len(ids))[:, None] * np.ones(3)
    table = project_tracks(ids, points, None)
    assert len(table) == table["track_id"].nunique() == MOST_DRAWN
    assert table["track_id"].iloc[[0, -1]].tolist() == [ids[0], ids[-1]]
    order = np.random.default_rng(1).permutation(len(ids))
    assert project_tracks([ids[row] for row in order], points[order], None).equals(table)
