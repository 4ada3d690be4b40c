import copy
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nocturne.errors import BadInput
from nocturne.models.gates import Limits, Stored, describe_verdicts, judge, require_passed
from nocturne.models.pairing import Paired

LIMITS = Limits(
    max_cluster_share=0.5,
    min_stability=0.4,
    max_silhouette_drop=0.1,
    max_rows_lost=0.2,
    max_ranking_drop=0.5,
)
TABLES = [
    Stored("similar_tracks", 100, 100, shortest=20, wanted=20, as_built=True),
    Stored("for_you", 41, 41, shortest=30, wanted=30, as_built=True),
]
MODEL = {
    "inputs": {"tracks": 100, "listeners": 40},
    "clustering": {"final": {"largest_share": 0.3, "stability": 0.8, "silhouette": 0.25}},
    "neighbours": {"recall": 0.99},
    "ranking": {
        "judged": 40,
        "models": [
            {"model": "popularity", "ndcg@10": 0.05},
            {"model": "nocturne", "ndcg@10": 0.2},
        ],
    },
}


def vary(model, path, value):
    """The model with another value at a dotted path."""
    changed = copy.deepcopy(model)
    *way, last = path.split(".")
    place = changed
    for name in way:
        place = place[int(name)] if isinstance(place, list) else place[name]
    place[last] = value
    return changed


def refused_rules(model=MODEL, champion=MODEL, tables=TABLES):
    return [item.rule for item in judge(model, champion, tables, LIMITS) if not item.passed]


def test_a_good_candidate_passes_every_gate():
    verdicts = judge(MODEL, MODEL, TABLES, LIMITS)
    assert [verdict.rule for verdict in verdicts] == [
        "tracks",
        *("similar_tracks.rows", "similar_tracks.shortest", "similar_tracks.as_built"),
        *("for_you.rows", "for_you.shortest", "for_you.as_built"),
        *("clusters.largest_share", "clusters.stability", "clusters.silhouette"),
        "neighbours.recall",
        "rows_kept",
        *("ndcg@10.popularity", "ndcg@10.champion"),
        *("clusters_kept", "listeners_kept", "ranking_kept"),
    ]
    assert all(verdict.passed for verdict in verdicts)
    require_passed("v1", describe_verdicts(verdicts))


# What the rule allows at its limit, and what is just beyond.
AT_THE_LIMIT = {
    "tracks": ("inputs.tracks", None, 1),
    "clusters.largest_share": ("clustering.final.largest_share", 0.5, 0.5001),
    "clusters.stability": ("clustering.final.stability", 0.4, 0.3999),
    "clusters.silhouette": ("clustering.final.silhouette", 0.15, 0.1499),
    "neighbours.recall": ("neighbours.recall", 0.95, 0.9499),
    "rows_kept": ("inputs.tracks", 80, 79),
    "ndcg@10.popularity": ("ranking.models.0.ndcg@10", 0.2, 0.2001),
    "listeners_kept": ("inputs.listeners", 1, 0),
    "ranking_kept": ("ranking.judged", 1, 0),
}


@pytest.mark.parametrize(("rule", "case"), AT_THE_LIMIT.items(), ids=AT_THE_LIMIT)
def test_each_gate_refuses_what_it_is_there_for(rule, case):
    path, just_right, too_much = case
    champion = None if rule == "tracks" else MODEL
    if just_right is not None:
        assert refused_rules(vary(MODEL, path, just_right), champion) == []
    assert refused_rules(vary(MODEL, path, too_much), champion) == [rule]


@pytest.mark.parametrize("table", [0, 1], ids=["similar_tracks", "for_you"])
@pytest.mark.parametrize(
    ("change", "step", "rule"),
    [
        ("rows", -1, "rows"),
        ("rows", 1, "rows"),
        ("shortest", -1, "shortest"),
        ("as_built", -1, "as_built"),
    ],
)
def test_each_table_is_judged(table, change, step, rule):
    tables = list(TABLES)
    tables[table] = replace(TABLES[table], **{change: getattr(TABLES[table], change) + step})
    assert refused_rules(tables=tables) == [f"{TABLES[table].table}.{rule}"]


def test_longer_lists_than_wanted_pass():
    longer = [replace(stored, shortest=stored.wanted + 1) for stored in TABLES]
    assert refused_rules(tables=longer) == []


def test_the_planted_bad_clustering_is_refused_for_all_its_silhouette():
    """Raw-scaled skewed data: a silhouette of .93, because 99 % are in one cluster."""
    bad = {"largest_share": 0.99, "stability": 1.0, "silhouette": 0.93}
    assert refused_rules(vary(MODEL, "clustering.final", bad)) == ["clusters.largest_share"]


def test_one_worse_than_popularity_is_refused_even_if_the_champion_was_no_better():
    worse = vary(MODEL, "ranking.models.1.ndcg@10", 0.04)
    assert refused_rules(worse, worse) == ["ndcg@10.popularity"]


@pytest.mark.parametrize("final", [None, {}], ids=["no clustering", "no k was good"])
def test_a_library_that_never_could_be_clustered_passes(final):
    without = vary(MODEL, "clustering.final", final)
    for champion in (None, without):
        assert refused_rules(without, champion) == []
    assert refused_rules(vary(MODEL, "clustering", None), None) == []


@pytest.mark.parametrize(
    ("share", "stability", "rules"),
    [
        (0.97, 0.9, ["clusters.largest_share"]),
        (0.3, 0.1, ["clusters.stability"]),
        (None, None, []),
    ],
)
def test_clusters_that_the_champion_has_are_not_lost(share, stability, rules):
    """The best of what was tried is judged, at every size; nothing was tried in the last case."""
    tried = [{"largest_share": share, "stability": stability}] if share else []
    lost = {**MODEL, "clustering": {"final": None, "clusterings": tried}}
    assert refused_rules(lost) == [*rules, "clusters_kept"]


def test_one_that_lost_everything_is_refused_for_each():
    lost = {**MODEL, "clustering": None, "ranking": None, "inputs": {"tracks": 100}}
    assert refused_rules(lost) == ["clusters_kept", "listeners_kept", "ranking_kept"]
    assert refused_rules(lost, None) == refused_rules(lost, lost) == []


def paired(low, high):
    return Paired(listeners=40, ours=0.09, least=0.1, low=low, high=high)


@pytest.mark.parametrize(
    ("found", "passed"),
    [
        (None, True), (paired(-0.05, 0.03), True), (paired(-0.05, 0.0), True),
        (paired(-0.05, -0.001), False), (paired(float("nan"), float("nan")), False),
    ],
)  # fmt: skip
def test_one_surely_worse_for_the_same_listeners_is_refused(found, passed):
    verdict = next(
        item for item in judge(MODEL, MODEL, TABLES, LIMITS, found)
        if item.rule == "ndcg@10.champion"
    )  # fmt: skip
    assert verdict.passed == passed
    assert verdict.value == (0.09 if found else 0.2)


@pytest.mark.parametrize(("overlap", "refused"), [(1.0, True), (0.8, True), (0.79, False)])
def test_silhouettes_are_compared_over_the_same_tracks_alone(overlap, refused):
    vaguer = vary(MODEL, "clustering.final.silhouette", 0.1)
    verdicts = judge(vaguer, MODEL, TABLES, LIMITS, overlap=overlap)
    found = [item.rule for item in verdicts if not item.passed]
    assert found == (["clusters.silhouette"] if refused else [])


def test_figures_of_other_listeners_are_not_compared():
    """.586 for 40 listeners, .397 for 270: another audience, no regression."""
    champion = vary(MODEL, "ranking.models.1.ndcg@10", 0.586)
    grown = vary(vary(MODEL, "ranking.models.1.ndcg@10", 0.397), "ranking.judged", 270)
    assert refused_rules(grown, champion) == []


def test_without_a_champion_nothing_is_compared_with_it():
    small = vary(vary(MODEL, "inputs.tracks", 2), "clustering.final.silhouette", 0.01)
    verdicts = {item.rule: item for item in judge(small, None, TABLES, LIMITS)}
    for rule in ("rows_kept", "clusters.silhouette", "ndcg@10.champion"):
        assert (verdicts[rule].threshold, verdicts[rule].passed) == (None, True)


@pytest.mark.parametrize(
    "ranking", [None, {"judged": 0, "models": []}, MODEL["ranking"] | {"judged": 9}]
)
def test_too_few_listeners_to_judge_by_say_nothing(ranking):
    """Nobody liked anything; nothing could be held out; nine."""
    worse = vary(MODEL, "ranking.models.1.ndcg@10", 0.0)["ranking"]
    few = {**MODEL, "ranking": ranking and {**worse, "judged": ranking["judged"]}}
    for champion in (None, few):
        assert refused_rules(few, champion) == []
    assert refused_rules({**MODEL, "ranking": {**worse, "judged": 10}}) != []


def test_a_figure_that_is_no_number_is_refused():
    nan = vary(MODEL, "ranking.models.1.ndcg@10", float("nan"))
    assert refused_rules(nan) == ["ndcg@10.popularity"]


share = st.floats(0, 1)


@given(ours=share, popular=share, before=share, size=st.integers(0, 200), kept=share)
def test_a_better_candidate_is_never_refused_where_a_worse_one_passes(
    ours, popular, before, size, kept
):
    """More tracks and better ranking can only help against the same champion."""
    champion = vary(MODEL, "ranking.models.1.ndcg@10", before)
    model = vary(vary(MODEL, "ranking.models.0.ndcg@10", popular), "inputs.tracks", size)
    worse = vary(model, "ranking.models.1.ndcg@10", ours * kept)
    better = vary(vary(model, "ranking.models.1.ndcg@10", ours), "inputs.tracks", size + 1)
    assert set(refused_rules(better, champion)) <= set(refused_rules(worse, champion))


def test_the_refusal_names_every_reason_and_only_those():
    tables = [replace(TABLES[0], rows=99), TABLES[1]]
    bad = vary(MODEL, "clustering.final.largest_share", 0.93)
    reasons = (
        "Candidate v1 was refused: similar_tracks.rows is 99, not 100 (nobody is left out);"
        " clusters.largest_share is 0.93, not 0.5 (no cluster holds too much of the library)."
        " What was live stays live."
    )
    with pytest.raises(BadInput, match=f"^{re.escape(reasons)}$"):
        require_passed("v1", describe_verdicts(judge(bad, MODEL, tables, LIMITS)))


def test_verdicts_are_described_for_the_gate_table():
    assert describe_verdicts(judge(MODEL, MODEL, TABLES, LIMITS))[7] == {
        "rule": "clusters.largest_share",
        "value": 0.3,
        "threshold": 0.5,
        "passed": True,
        "meaning": "no cluster holds too much of the library",
    }
