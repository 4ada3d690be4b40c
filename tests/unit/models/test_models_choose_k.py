import pytest

from nocturne.models.choose_k import (
    Admissible,
    Choice,
    Clustering,
    choose_k,
    find_knee,
    range_of_k,
)

BENDS_AT_4 = {2: 100.0, 3: 40.0, 4: 12.0, 5: 10.0, 6: 9.0, 7: 8.0}
STRAIGHT = {2: 100.0, 3: 80.0, 4: 60.0, 5: 40.0, 6: 20.0}


LIMITS = Admissible(max_cluster_share=0.5, min_stability=0.4)


def clusterings(distortions, silhouettes=None, shares=None, stabilities=None):
    """One clustering a k; silhouettes are 0.2, the largest shares 0.3 and stabilities 0.8 where not
    given."""
    silhouettes, shares, stabilities = silhouettes or {}, shares or {}, stabilities or {}
    return [
        Clustering(
            k,
            distortion,
            silhouettes.get(k, 0.2),
            shares.get(k, 0.3),
            50.0,
            stabilities.get(k, 0.8),
        )
        for k, distortion in distortions.items()
    ]


def test_the_knee_is_chosen():
    assert choose_k(clusterings(BENDS_AT_4), LIMITS) == Choice(4, 4, "the knee of the distortion")


def test_the_order_of_the_clusterings_does_not_matter():
    assert choose_k(clusterings(BENDS_AT_4)[::-1], LIMITS).k == 4


@pytest.mark.parametrize(
    ("best", "k", "reason"),
    [(0.30, 4, "the knee of the distortion"), (0.31, 6, "the best silhouette")],
)
def test_the_knee_gives_way_only_to_a_silhouette_better_by_half(best, k, reason):
    choice = choose_k(clusterings(BENDS_AT_4, silhouettes={4: 0.2, 6: best}), LIMITS)
    assert choice == Choice(k, 4, reason)


def test_without_a_knee_the_best_silhouette_is_chosen():
    choice = choose_k(clusterings(STRAIGHT, silhouettes={5: 0.4}), LIMITS)
    assert choice == Choice(5, None, "the best silhouette, as the distortion has no knee")


def test_of_equal_silhouettes_the_smallest_k_is_chosen():
    assert choose_k(clusterings(STRAIGHT)[::-1], LIMITS).k == 2


def test_a_fine_silhouette_with_everything_in_one_cluster_is_inadmissible():
    planted = clusterings(BENDS_AT_4, silhouettes={2: 0.93}, shares={2: 0.99})
    assert choose_k(planted, LIMITS).k == 4
    assert choose_k(planted, Admissible(1.0, 0.0)).k == 2


def test_a_knee_that_is_inadmissible_is_named_but_not_chosen():
    choice = choose_k(clusterings(BENDS_AT_4, silhouettes={5: 0.3}, shares={4: 0.8}), LIMITS)
    assert choice == Choice(5, 4, "the best silhouette")


def test_a_share_at_the_limit_is_admissible():
    assert choose_k(clusterings({2: 5.0}, shares={2: 0.5}), LIMITS).k == 2


def test_if_no_k_is_admissible_none_is_chosen_and_the_limit_is_named():
    choice = choose_k(clusterings(BENDS_AT_4, shares=dict.fromkeys(BENDS_AT_4, 0.9)), LIMITS)
    assert choice == Choice(None, 4, "for every k one cluster holds more than 50%")


def test_clusters_that_other_seeds_do_not_find_are_inadmissible():
    unstable = clusterings(BENDS_AT_4, silhouettes={4: 0.9, 5: 0.3}, stabilities={4: 0.39})
    assert choose_k(unstable, LIMITS) == Choice(5, 4, "the best silhouette")
    assert choose_k(unstable, Admissible(0.5, 0.39)).k == 4


def test_if_no_k_is_stable_none_is_chosen_and_the_limit_is_named():
    unstable = clusterings(BENDS_AT_4, stabilities=dict.fromkeys(BENDS_AT_4, 0.1))
    assert choose_k(unstable, LIMITS) == Choice(
        None, 4, "for every k the seeds agree by less than 0.4"
    )


def test_a_library_that_is_too_small_has_no_clusters():
    assert choose_k([], LIMITS) == Choice(None, None, "the library is too small to be clustered")


def test_negative_silhouettes_still_give_a_choice():
    scores = dict.fromkeys(BENDS_AT_4, -0.2) | {3: -0.1}
    assert choose_k(clusterings(BENDS_AT_4, silhouettes=scores), LIMITS).k == 3


@pytest.mark.parametrize(
    "distortions",
    [STRAIGHT, dict.fromkeys(range(2, 8), 5), dict.fromkeys(range(2, 8), 0), {2: 9, 3: 2, 4: 1}],
    ids=["straight", "level", "every track alike", "too few points"],
)
def test_a_curve_that_does_not_bend_has_no_knee_and_gives_no_warning(distortions):
    assert find_knee(clusterings(distortions)) is None


@pytest.mark.parametrize(
    ("k_min", "k_max", "tracks", "expected"),
    [
        (2, 10, 1000, range(2, 11)),
        (2, 10, 30, range(2, 11)),
        (2, 10, 29, range(2, 10)),
        (2, 10, 6, range(2, 3)),
        (2, 10, 5, range(0)),
        (5, 4, 1000, range(0)),
        (2, 10, 0, range(0)),
    ],
)
def test_the_range_of_k_leaves_three_tracks_a_cluster(k_min, k_max, tracks, expected):
    assert range_of_k(k_min, k_max, tracks) == expected
