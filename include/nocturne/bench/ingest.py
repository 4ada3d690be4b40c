"""Ingest beside its peers: a naive loop, bare writes to MongoDB, and Spark's streaming."""

import os
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import mean, median
from typing import Any

from nocturne.bench.ingest_records import encode, make_messages
from nocturne.bench.ingest_trials import Trials
from nocturne.bench.ingest_ways import WAYS
from nocturne.bench.servers import own_servers
from nocturne.settings import Settings

Say = Callable[[str], None]
Figures = dict[str, list[float]]
RECORDS = 1_000_000
MOST_IN_ROUND = 100_000
MOST_OF_NAIVE = 2_000


@dataclass(frozen=True)
class Plan:
    """How many records each trial has; the costs of `sizes` are compared."""

    sizes: tuple[int, int, int]
    in_round: int
    of_naive: int
    rounds: int = 3


def make_plan(records: int, rounds: int = 3) -> Plan:
    """At least 1000 records, so that none of the sizes is too small to measure."""
    sizes = (records // 100, records // 10, records)
    return Plan(sizes, min(records, MOST_IN_ROUND), min(records, MOST_OF_NAIVE), rounds)


def measure(records: int, say: Say) -> dict[str, Any]:
    """The figures, on servers of its own; `records` is the largest size, 0 a million."""
    with own_servers(say) as settings:
        return measure_on(settings, make_plan(records or RECORDS), say)


def measure_on(settings: Settings, plan: Plan, say: Say) -> dict[str, Any]:
    """The same on servers that are there; topics stay behind."""
    trials = Trials(settings, f"bench-ingest-{uuid.uuid4().hex[:12]}", say)
    try:
        rates, cpu = run_rounds(trials, plan, say)
        costs, peak_mib = run_sizes(trials, plan, say)
    finally:
        trials.clear()
    return {
        **compare(rates),
        **compare_costs(costs),
        "peak_mib": round(peak_mib),
        "records_per_second": {way: round(median(found)) for way, found in rates.items()},
        "cpu_microseconds_per_record": {way: round(median(found), 1) for way, found in cpu.items()},
        "rounds": {way: [round(rate) for rate in found] for way, found in rates.items()},
        "records": plan.in_round,
        "record_bytes": round(mean(len(encode(each)) for each in make_messages(1000))),
        "cores": os.cpu_count(),
    }


def run_rounds(trials: Trials, plan: Plan, say: Say) -> tuple[Figures, Figures]:
    """Records per second, and microseconds of the client's CPU a record, of each way: one figure
    a round. A round runs them all; each begins with another.
    """
    rates: Figures = {}
    cpu: Figures = {}
    trials.fill_topic(plan.in_round)
    for number in range(plan.rounds):
        for way in order_ways(number, plan.rounds):
            run_way(trials, plan, way, rates, cpu)
        said = ", ".join(f"{way} {found[-1]:.0f}" for way, found in rates.items())
        say(f"round {number + 1} of {plan.rounds}, records/s: {said}")
    return rates, cpu


def order_ways(number: int, rounds: int) -> list[str]:
    """The ways of a round: a turn of the first round's order, so that none is always the one that
    comes after a certain other or late in a round.
    """
    names = [*WAYS, "spark"]
    turn = number * max(1, len(names) // rounds) % len(names)
    return names[turn:] + names[:turn]


def run_way(trials: Trials, plan: Plan, way: str, rates: Figures, cpu: Figures) -> None:
    if way == "spark":
        spark = trials.run_spark(plan.in_round)
        rates.setdefault("spark", []).append(plan.in_round / spark.result["seconds"])
        rates.setdefault("spark_warm", []).append(spark.result["fastest"])
        rates.setdefault("spark_with_start_up", []).append(plan.in_round / spark.seconds)
        return
    records = plan.of_naive if way.startswith("naive") else plan.in_round
    spent = trials.run(way, records, plan.in_round).result
    rates.setdefault(way, []).append(records / spent["seconds"])
    cpu.setdefault(way, []).append(spent["cpu_seconds"] / records * 1e6)


def run_sizes(trials: Trials, plan: Plan, say: Say) -> tuple[dict[int, float], float]:
    """Microseconds a record by size, and the peak memory of the largest, in MiB.

    The sizes go up and down again, so that a machine that becomes slower meanwhile does not look
    like a cost that grows.
    """
    costs: dict[int, list[float]] = {size: [] for size in plan.sizes}
    peak_mib = 0.0
    for size in (*plan.sizes, *plan.sizes[-2::-1]):
        ended = trials.run("ours", size, size)
        costs[size].append(ended.result["seconds"] / size * 1e6)
        peak_mib = max(peak_mib, ended.peak_mib)
        say(f"{size} records: {costs[size][-1]:.1f} µs each, {ended.peak_mib:.0f} MiB")
    return {size: mean(found) for size, found in costs.items()}, peak_mib


def compare(rates: Mapping[str, list[float]]) -> dict[str, float]:
    """Ours beside each peer, as ratios of medians; both over a full collection where it says so."""

    def divide(ours: str, peer: str) -> float:
        return round(median(rates[ours]) / median(rates[peer]), 2)

    return {
        "speedup_over_naive": divide("ours", "naive"),
        "share_of_insert_floor": divide("ours", "insert_floor"),
        "full_over_naive": divide("ours_full", "naive_full"),
        "full_over_naive_empty": divide("ours_full", "naive"),
        "full_over_upserts": divide("ours_full", "upserts_full"),
        "speedup_over_upserts": divide("ours", "upserts"),
        "speedup_over_spark": divide("ours", "spark"),
        "speedup_over_spark_warm": divide("ours", "spark_warm"),
        "speedup_over_spark_with_start_up": divide("ours", "spark_with_start_up"),
    }


def compare_costs(costs: Mapping[int, float]) -> dict[str, Any]:
    smallest, largest = min(costs), max(costs)
    return {
        f"cost_{shorten(largest)}_over_{shorten(smallest)}": round(
            costs[largest] / costs[smallest], 2
        ),
        "microseconds_per_record": {str(size): round(cost, 1) for size, cost in costs.items()},
    }


def shorten(count: int) -> str:
    """1000000 → 1m, 10000 → 10k, 1234 → 1234."""
    for unit, letter in ((1_000_000, "m"), (1_000, "k")):
        if count % unit == 0:
            return f"{count // unit}{letter}"
    return str(count)
