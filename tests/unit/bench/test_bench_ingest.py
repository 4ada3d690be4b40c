"""The parts of the ingest bench that need no server."""

import io
import os
import sys
from itertools import islice
from statistics import mean

import bson
import pytest
from rich.console import Console

from nocturne import console
from nocturne.bench import ingest_trials, ingest_ways
from nocturne.bench.ingest import compare, compare_costs, make_plan, order_ways, shorten
from nocturne.bench.ingest_records import (
    DECLARED,
    DOUBLES,
    FlatTrack,
    encode,
    make_documents,
    make_messages,
)
from nocturne.bench.ingest_ways import WAYS
from nocturne.bench.watched import run_watched
from nocturne.errors import NocturneError
from nocturne.stream import reading

RATES = {
    "ours": [900.0, 1000.0, 5000.0],
    "naive": [40.0, 60.0, 50.0],
    "upserts": [1250.0, 1.0, 1300.0],
    "insert_floor": [4000.0],
    "ours_full": [600.0, 1.0, 900.0],
    "naive_full": [30.0, 40.0, 20.0],
    "upserts_full": [1200.0],
    "spark": [250.0, 250.0],
    "spark_warm": [500.0],
    "spark_with_start_up": [100.0],
}


def test_messages_are_of_one_and_a_half_kilobytes():
    sizes = [len(encode(message)) for message in make_messages(500)]
    assert mean(sizes) == pytest.approx(1500, rel=0.02)
    assert max(sizes) < 1600
    assert min(sizes) > 1400


def test_messages_keep_the_contract_and_their_key():
    for message in make_messages(50):
        record = FlatTrack.model_validate_json(encode(message))
        assert record.key() == message["track_id"]
        assert record.features == message["features"]


def test_messages_are_the_same_each_time_and_no_two_are_alike():
    few, many = list(make_messages(20)), list(make_messages(100))
    assert many[:20] == few
    assert len({message["track_id"] for message in many}) == 100
    assert len({tuple(message["features"]) for message in many}) == 100


def test_a_document_says_what_its_message_says():
    message, document = next(make_messages(1)), next(make_documents(1))
    record = FlatTrack.model_validate_json(encode(message))
    source = document.pop("source")
    assert document == record.to_document()
    assert document.pop("_id") == message["track_id"]
    assert set(message) - set(document) == {"schema", "track_id", "as_of"}
    assert list(source) == ["as_of", "sent_at", "partition", "offset", "topic"]
    assert source["as_of"] == record.as_of


def test_a_document_has_what_the_validator_asks_for():
    schema = DECLARED.schema()
    for document in islice(make_documents(3), 3):
        assert set(schema["required"]) <= set(document)
        assert len(document["features"]) == DOUBLES
        assert 900 < len(bson.encode(document)) < 1500


@pytest.mark.parametrize(
    ("records", "sizes", "in_round", "of_naive"),
    [
        (1_000_000, (10_000, 100_000, 1_000_000), 100_000, 2000),
        (20_000, (200, 2000, 20_000), 20_000, 2000),
        (1000, (10, 100, 1000), 1000, 1000),
    ],
)
def test_a_plan_scales_with_the_records(records, sizes, in_round, of_naive):
    plan = make_plan(records)
    assert (plan.sizes, plan.in_round, plan.of_naive) == (sizes, in_round, of_naive)
    assert plan.rounds == 3


def test_ratios_are_of_medians():
    assert compare(RATES) == {
        "speedup_over_naive": 20.0,
        "share_of_insert_floor": 0.25,
        "full_over_naive": 20.0,
        "full_over_naive_empty": 12.0,
        "full_over_upserts": 0.5,
        "speedup_over_upserts": 0.8,
        "speedup_over_spark": 4.0,
        "speedup_over_spark_warm": 2.0,
        "speedup_over_spark_with_start_up": 10.0,
    }


def test_the_headlines_come_first():
    headlines = ["speedup_over_naive", "share_of_insert_floor", "full_over_naive"]
    assert list(compare(RATES))[:3] == headlines


@pytest.mark.parametrize("rounds", [1, 2, 3, 5, 8, 20])
def test_each_round_runs_all_ways_and_begins_with_another(rounds):
    orders = [order_ways(number, rounds) for number in range(rounds)]
    assert {frozenset(order) for order in orders} == {frozenset([*WAYS, "spark"])}
    assert {len(order) for order in orders} == {len(WAYS) + 1}
    firsts = [order[0] for order in orders]
    assert len(set(firsts)) == min(rounds, len(WAYS) + 1)


def test_ours_and_the_peers_meet_the_same_batches():
    assert ingest_ways.BATCH == ingest_trials.BATCH == reading.BATCH


def test_costs_are_compared_by_the_sizes_that_were_measured():
    assert compare_costs({10_000: 50.04, 100_000: 40.0, 1_000_000: 45.0}) == {
        "cost_1m_over_10k": 0.9,
        "microseconds_per_record": {"10000": 50.0, "100000": 40.0, "1000000": 45.0},
    }
    assert "cost_20k_over_200" in compare_costs({200: 1.0, 2000: 1.0, 20_000: 1.0})


@pytest.mark.parametrize(
    ("count", "name"), [(1_000_000, "1m"), (10_000, "10k"), (1500, "1500"), (200, "200")]
)
def test_counts_have_short_names(count, name):
    assert shorten(count) == name


def test_a_watched_process_gives_its_last_line_and_its_memory():
    program = (
        "import time; held = b'x' * 2**26; print('noise'); time.sleep(0.5); print('{\"a\": 1}')"
    )
    ended = run_watched([sys.executable, "-c", program], os.environ)
    assert ended.result == {"a": 1}
    assert ended.seconds >= 0.5
    assert ended.peak_mib > 64


def test_a_watched_process_that_fails_is_quoted():
    with pytest.raises(NocturneError, match="no such way"):
        run_watched([sys.executable, "-c", "raise SystemExit('no such way')"], os.environ)


def test_figures_are_printed_by_name(monkeypatch):
    shown = io.StringIO()
    monkeypatch.setattr(console, "out", Console(file=shown, width=80))
    console.print_bench(
        {"peak_mib": 1234, "rounds": {"ours": [12345, 0.5]}, "kills": {"by": {"[x]": True}}}
    )
    lines = [" ".join(line.split()) for line in shown.getvalue().splitlines()]
    assert lines == ["peak mib 1,234", "rounds", "ours 12,345 0.5", "kills", "by", "[x] True"]
