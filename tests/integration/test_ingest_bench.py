"""The ingest bench, small, on the servers of the tests."""

import uuid

import pytest

from nocturne.bench.ingest import make_plan, measure_on
from nocturne.bench.ingest_records import (
    fill_with_older,
    make_empty,
    make_messages,
    require_whole,
)
from nocturne.bench.ingest_trials import Trials
from nocturne.errors import NocturneError
from nocturne.store.collections import connect

pytestmark = pytest.mark.integration

WAYS = {
    "ours",
    "naive",
    "upserts",
    "insert_floor",
    "ours_full",
    "naive_full",
    "upserts_full",
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
    assert list(result)[:3] == ["speedup_over_naive", "share_of_insert_floor", "full_over_naive"]
    assert result["cost_2k_over_20"] > 0
    assert all(spent > 0 for spent in result["cpu_microseconds_per_record"].values())
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
    trials.run("insert_floor", 300, of=300)
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


@pytest.mark.parametrize("way", ["ours_full", "naive_full", "upserts_full"])
def test_a_full_collection_is_renewed_and_no_more(trials, way):
    """As every night does: all is there already, and older."""
    trials.run(way, 2500, of=2500)
    with connect(trials.settings) as client:
        stored = client[trials.name].flat_tracks
        titles = {found["_id"]: found["title"] for found in stored.find({}, ["title"])}
    assert titles == {each["track_id"]: each["title"] for each in make_messages(2500)}


def test_a_full_way_that_leaves_older_documents_does_not_count(trials, database):
    collection = make_empty(database, validated=True)
    fill_with_older(collection, 30)
    with pytest.raises(NocturneError, match="0 documents came of 20 records, 30 of 10 older"):
        require_whole(collection, 20, older=10)
    require_whole(collection, 0, older=30)
