"""The short form of `./nocturne bench faults`: everything dies once or twice, nothing is lost."""

import os

import pytest

from nocturne.bench.faults import Plan, cause_faults
from nocturne.stack.services import find_services

pytestmark = pytest.mark.integration


def test_nothing_is_lost_or_doubled_whatever_dies(servers, database):
    seed = int.from_bytes(os.urandom(2))
    plan = Plan(records=6000, seconds=12, consumer_kills=2, seed=seed)
    found = cause_faults(find_services(servers), database, plan, print)
    assert found["kills"] == 4
    assert (found["records"], found["replayed"]) == (6000, 6000)
    assert (found["lost"], found["duplicated"]) == (0, 0)
    assert found["dead_letters"] == found["poison"] > 0
    assert (found["replay_changed"], found["identical_after_replay"]) == (0, True)


@pytest.mark.parametrize("seed", range(5))
def test_a_plan_kills_all_it_says_while_records_flow(seed):
    victims = Plan(records=10, seconds=20, seed=seed).victims()
    names = sorted(name for _, name in victims)
    assert names == ["consumer"] * 5 + ["kafka", "mongo"]
    moments = [moment for moment, _ in victims]
    assert moments == sorted(moments)
    assert 2 <= moments[0] <= moments[-1] <= 20
