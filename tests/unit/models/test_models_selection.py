import numpy as np

from nocturne.models.selection import take_largest


def test_the_largest_are_taken_in_order_the_lower_index_first():
    scores = np.array([0.5, 2.0, 1.0, 2.0, -1.0, 1.0])
    assert take_largest(scores, 3).tolist() == [1, 3, 2]
    assert take_largest(scores, 0).tolist() == []
    assert take_largest(scores, 6).tolist() == [1, 3, 2, 5, 0, 4]
