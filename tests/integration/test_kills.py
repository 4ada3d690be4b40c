"""The short form of `./nocturne bench kills`: steps die once each, readers notice nothing."""

import os

import pytest

from nocturne.bench.kill_nights import STEPS_KILLED
from nocturne.bench.kills import FEW_CLUSTERS, Plan, kill_nights
from nocturne.stack.services import find_services

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]


def test_readers_see_whole_versions_whatever_dies(servers, database, tmp_path):
    own = {"home": tmp_path, "mongo_database": database.name, **FEW_CLUSTERS}
    settings = find_services(servers).model_copy(update=own)
    # The steps after training; those of training take minutes, and are the bench's.
    plan = Plan(3, STEPS_KILLED[2:], seed=int.from_bytes(os.urandom(2)))
    found = kill_nights(settings, plan, print)
    assert found["kills"] == sum(found["by_step"].values()) == 3
    assert found["reads"] > 100
    assert (found["torn_reads"], found["different_end_states"]) == (0, 0), found["differences"]
    assert found["left_processes"] == 0
    assert found["rollback_seconds"] < 5
    assert found["live_at_wrong"] == 0
