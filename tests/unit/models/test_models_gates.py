import re

import pytest

from nocturne.errors import BadInput
from nocturne.models.gates import describe_verdicts, judge, require_passed

GOOD = {
    "tracks": 100,
    "rows": 100,
    "shortest_list": 20,
    "wanted_list": 20,
    "largest_share": 0.3,
    "max_cluster_share": 0.5,
    "stored_as_meant": True,
}


def refused_rules(**changes):
    return [verdict.rule for verdict in judge(**GOOD | changes) if not verdict.passed]


def test_a_good_candidate_passes_every_gate():
    verdicts = judge(**GOOD)
    assert [verdict.rule for verdict in verdicts] == [
        "tracks",
        "rows",
        "shortest_list",
        "largest_cluster",
        "stored_as_built",
    ]
    assert all(verdict.passed for verdict in verdicts)
    require_passed("v1", verdicts)


@pytest.mark.parametrize(
    ("changes", "rules"),
    [
        ({"tracks": 1, "rows": 1, "shortest_list": 0}, ["tracks"]),
        ({"tracks": 0, "rows": 0, "shortest_list": 0}, ["tracks"]),
        ({"rows": 99}, ["rows"]),
        ({"rows": 101}, ["rows"]),
        ({"shortest_list": 19}, ["shortest_list"]),
        ({"largest_share": 0.51}, ["largest_cluster"]),
        ({"stored_as_meant": False}, ["stored_as_built"]),
        ({"rows": 0, "stored_as_meant": False}, ["rows", "stored_as_built"]),
    ],
)
def test_each_gate_refuses_what_it_is_there_for(changes, rules):
    assert refused_rules(**changes) == rules


@pytest.mark.parametrize(
    "changes",
    [
        {"tracks": 2, "rows": 2, "shortest_list": 1},
        {"tracks": 21, "rows": 21},
        {"shortest_list": 21},
        {"largest_share": 0.5},
        {"largest_share": 0.0},
    ],
    ids=["two tracks", "all others", "longer lists", "share at the limit", "no clustering"],
)
def test_what_just_meets_a_gate_passes(changes):
    assert refused_rules(**changes) == []


def test_the_refusal_names_every_reason_and_only_those():
    verdicts = judge(**GOOD | {"rows": 99, "largest_share": 0.93})
    reasons = (
        "Candidate v1 was refused: rows is 99, not 100 (every track has its row);"
        " largest_cluster is 0.93, not 0.5 (no cluster holds too much of the library)."
        " What was live stays live."
    )
    with pytest.raises(BadInput, match=f"^{re.escape(reasons)}$"):
        require_passed("v1", verdicts)


def test_verdicts_are_described_for_the_gate_table():
    described = describe_verdicts(judge(**GOOD))
    assert described[3] == {
        "rule": "largest_cluster",
        "value": 0.3,
        "threshold": 0.5,
        "passed": True,
        "meaning": "no cluster holds too much of the library",
    }
