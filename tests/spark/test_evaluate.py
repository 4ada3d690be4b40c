"""`./nocturne evaluate` with the Spark that a night uses."""

import json
import sys

import numpy as np
import pytest

from nocturne import offline
from nocturne.cli import main, start
from nocturne.errors import BadInput
from nocturne.offline import evaluate_file
from nocturne.settings import PROJECT, load_settings
from nocturne.stack.spark import SparkCommand
from spark_jobs.train_taste import parse_arguments, run_job

pytestmark = [pytest.mark.spark, pytest.mark.timeout(400)]
JOB = "spark_jobs/train_taste.py"
METRICS = {"ndcg@10", "recall@10", "precision@10", "mrr@10", "map@10", "hit@10", "coverage", "gini"}


@pytest.fixture
def settings(home):
    return load_settings()


@pytest.fixture
def warm(spark, monkeypatch):
    """The same job in the session that is there; the command's test starts a driver of its own."""

    def train(submitted: SparkCommand) -> None:
        words = submitted.command
        run_job(spark, parse_arguments(words[words.index(str(PROJECT / JOB)) + 1 :]))

    monkeypatch.setattr(offline, "run_spark", train)


@pytest.fixture
def two_tastes(tmp_path):
    """Sixty listeners of two camps, each with 20 of its own 40 items, as counts."""
    random = np.random.default_rng(1)
    lines = [
        f"u{user:02},i{item + 40 * (user % 2):02},{random.integers(1, 9)}"
        for user in range(60)
        for item in random.choice(40, 20, replace=False)
    ]
    file = tmp_path / "counts.csv"
    file.write_text("listener,song,plays\n" + "\n".join(lines) + "\n", "utf-8")
    return file


def test_the_command_ranks_a_file(two_tastes, home, monkeypatch, capfd):
    words = ["nocturne", "evaluate", str(two_tastes), "--seeds", "1", "--json"]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit) as ended:
        main(start)
    assert ended.value.code in (0, None)
    found = json.loads(capfd.readouterr().out)
    rows = {row["model"]: row for row in found["models"]}
    assert (found["users"], found["items"], found["interactions"]) == (60, 80, 1200)
    assert {"popularity", "random", "item_knn", "als", "item_item", "nocturne"} == set(rows)
    assert all(set(row) >= METRICS for row in rows.values())
    assert rows["nocturne"]["ndcg@10"] > 1.5 * rows["random"]["ndcg@10"]
    interval = rows["nocturne"]["over_popularity"]["ndcg@10"]
    assert interval["low"] <= interval["difference"] <= interval["high"]


def test_a_bad_line_is_named_before_anything_is_trained(two_tastes, settings):
    with two_tastes.open("a", encoding="utf-8") as file:
        file.write("u01,i02,many\n")
    with pytest.raises(BadInput, match="line 1202"):
        evaluate_file(settings, two_tastes, "random", 1, print)


@pytest.mark.real_data
def test_lastfm_is_ranked_as_well_as_we_say(settings, warm, real_data):
    """One split of three; docs/evaluation.md has the mean."""
    file = real_data / "listening/hetrec2011-lastfm-2k/user_artists.dat"
    found = evaluate_file(settings, file, "random", 1, print)
    rows = {row["model"]: row for row in found["models"]}
    assert rows["popularity"]["ndcg@10"] == pytest.approx(0.065, abs=0.005)
    assert rows["nocturne"]["ndcg@10"] >= 0.207
    assert rows["nocturne"]["recall@10"] >= 0.21
    assert rows["nocturne"]["coverage"] >= 0.06
    assert rows["nocturne"]["over_popularity"]["ndcg@10"]["low"] > 0.1
