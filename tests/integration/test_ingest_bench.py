"""The ingest bench, small, on the servers of the tests."""

import uuid

import pytest

from nocturne.bench.ingest import make_plan, measure_on
from nocturne.bench.ingest_trials import Trials
from nocturne.errors import NocturneError
from nocturne.store.collections import connect

pytestmark = pytest.mark.integration

WAYS = {
    "ours",
    "naive",
    "bulk_floor",
    "insert_floor",
    "spark",
    "spark_warm",
    "spark_with_start_up",
}


@pytest.mark.spark
def test_every_way_is_measured_and_nothing_stays_in_mongodb(servers):
    said: list[str] = []
    result = measure_on(servers, make_plan(2000, rounds=1), said.append)
    assert set(result["records_per_second"]) == WAYS
    assert all(rate > 0 for rate in result["records_per_second"].values())
    assert all(len(found) == 1 for found in result["rounds"].values())
    assert set(result["microseconds_per_record"]) == {"20", "200", "2000"}
    assert {"speedup_over_naive", "share_of_bulk_floor", "cost_2k_over_20"} <= set(result)
    assert result["peak_mib"] > 0
    assert result["records"] == 2000
    assert said
    with connect(servers) as client:
        assert not [
            name for name in client.list_database_names() if name.startswith("bench-ingest")
        ]


@pytest.fixture
def trials(servers):
    made = Trials(servers, f"bench-test-{uuid.uuid4().hex[:12]}", print)
    yield made
    made.clear()


def test_ours_stores_what_the_floor_stores_with_its_own_source(trials):
    trials.run("bulk_floor", 300, of=300)
    with connect(trials.settings) as client:
        floor = {found.pop("_id"): found for found in client[trials.name].flat_tracks.find()}
        trials.run("ours", 300, of=300)
        ours = {found.pop("_id"): found for found in client[trials.name].flat_tracks.find()}
    sources = [found.pop("source") for found in ours.values()]
    for found in floor.values():
        del found["source"]
    assert ours == floor
    assert len(ours) == 300
    assert {source["topic"] for source in sources} == {f"{trials.name}.300"}


def test_a_way_that_leaves_records_out_does_not_count(trials):
    with pytest.raises(NocturneError, match="300 documents came of 299 records"):
        trials.run("ours", 299, of=300)
