"""The parts of the retrain and kill benches that need no server."""

import os
import subprocess
import sys
import time
from collections import Counter
from datetime import date, timedelta

import numpy as np
import pytest

from nocturne.bench.catalogue_records import (
    ACTIONS,
    FULL_TRACKS,
    GROUPS,
    LISTENING_DAYS,
    Size,
    draw_listens,
    find_group,
    make_features,
    make_listens,
    make_tracks,
    scale,
)
from nocturne.bench.kill_nights import NO_STEP, STEPS_KILLED, list_steps
from nocturne.bench.kill_nights import Night as Heard
from nocturne.bench.kills import Plan
from nocturne.bench.process_tree import Peak, kill_session, list_session, measure_tree, watching
from nocturne.bench.retrain import (
    FEWEST_TRACKS,
    Night,
    compare,
    describe,
    list_sizes,
    measure,
)
from nocturne.bench.retraining import STEPS, Retraining, parse_arguments
from nocturne.errors import Misuse
from nocturne.models.unskew import is_skewed
from nocturne.nights import night_of
from nocturne.settings import load_settings
from nocturne.store.collections import FEATURES_PER_TRACK, declare_collections

END = night_of(date(2026, 11, 19)).end
SMALL = Size(tracks=600, listens=6000, listeners=50)


def make_night(tracks, step_seconds, search_seconds):
    peaks = {step: Peak(2**30 * place, 2**29) for place, step in enumerate(STEPS)}
    seconds = dict.fromkeys(STEPS, step_seconds)
    return Night(scale(tracks), "version", seconds, peaks, search_seconds)


def declared(name):
    [collection] = [each for each in declare_collections() if each.name == name]
    return collection.schema()


def test_full_size_is_fma_and_a_million_listens():
    assert scale(FULL_TRACKS) == Size(106_574, 1_000_000, 10_000)
    assert scale(10_657).listeners == 999
    assert scale(100).listeners == 100


def test_sizes_are_a_hundredth_a_tenth_and_the_whole():
    assert list_sizes(106_574) == (1065, 10_657, 106_574)
    assert list_sizes(4000) == (200, 400, 4000)


def test_documents_have_what_the_validators_ask_for():
    track, listen = next(make_tracks(SMALL, END)), next(make_listens(SMALL, END))
    assert set(declared("tracks")["required"]) <= set(track)
    assert len(track["features"]) == FEATURES_PER_TRACK
    assert set(declared("listens")["required"]) <= set(listen)
    for document, name in ((track, "tracks"), (listen, "listens")):
        source = declared(name)["properties"]["source"]
        assert set(source["required"]) <= set(document["source"])


def test_equal_sizes_make_equal_libraries_without_doubles():
    first, again = (list(make_tracks(SMALL, END)) for _ in range(2))
    assert first == again
    assert len({track["_id"] for track in first}) == SMALL.tracks
    assert len({track["content_sha256"] for track in first}) == SMALL.tracks
    assert list(make_listens(SMALL, END)) == list(make_listens(SMALL, END))


def test_groups_are_planted_in_features_of_which_a_third_is_skewed():
    features = np.concatenate(list(make_features(Size(2400, 0, 1))))
    skewed = np.array([is_skewed(column) for column in features.T])
    assert 0.25 < skewed.mean() < 0.42
    assert np.isfinite(features).all()
    plain = features[:, ~skewed]
    plain = (plain - plain.mean(axis=0)) / plain.std(axis=0)
    group = find_group(np.arange(len(plain)))
    means = np.array([plain[group == number].mean(axis=0) for number in range(GROUPS)])
    nearest = ((plain[:, None] - means) ** 2).sum(axis=2).argmin(axis=1)
    assert (nearest == group).mean() > 0.9


def test_listeners_have_favourite_groups_and_some_tracks_are_famous():
    listens = draw_listens(SMALL)
    groups = find_group(listens.track)
    shares = [
        np.bincount(groups[listens.user == user], minlength=GROUPS).max()
        / (listens.user == user).sum()
        for user in range(SMALL.listeners)
    ]
    assert np.mean(shares) > 0.5
    plays = np.sort(np.bincount(listens.track, minlength=SMALL.tracks))[::-1]
    assert plays[: SMALL.tracks // 10].sum() > 3 * plays.sum() / 10
    assert set(np.unique(listens.action)) == set(range(len(ACTIONS)))
    assert listens.track.max() < SMALL.tracks


def test_listens_lie_in_the_two_weeks_before_the_end():
    times = [listen["at"] for listen in make_listens(SMALL, END)]
    assert END - timedelta(days=LISTENING_DAYS) <= min(times)
    assert max(times) < END
    assert max(times) - min(times) > timedelta(days=LISTENING_DAYS - 1)


def test_growth_leaves_the_search_and_start_up_out():
    # 60 s of start-up, then 6 ms a track; the search is quadratic.
    steps = {1000: (11.0, 0.0), 10_000: (20.5, 3.0), 100_000: (160.0, 300.0)}
    nights = [make_night(tracks, *seconds) for tracks, seconds in steps.items()]
    found = describe(nights)
    assert found["seconds"] == 960.0
    assert found["growth"] == 1.0
    assert found["growth_with_start_up"] == 0.55
    assert found["start_up_seconds"] == 60.0
    assert (found["peak_gib"], found["mongod_gib"]) == (5.0, 0.5)
    assert found["seconds_by_step"]["10000"] == {
        **dict.fromkeys(STEPS, 20.5),
        "search_in_build": 3.0,
    }


def test_scikit_learn_is_compared_by_its_fits():
    found = compare(30.0, {"seconds": 12.0, "seconds_of_preparation": 3.04})
    assert found == {"seconds": 12.0, "seconds_of_preparation": 3.0, "times_sklearn": 2.5}


def test_growth_is_unknown_where_ten_times_the_tracks_take_no_longer():
    steps = {1000: 11.0, 10_000: 10.9, 100_000: 160.0}
    found = describe([make_night(tracks, seconds, 0.0) for tracks, seconds in steps.items()])
    assert found["growth"] is None
    assert found["start_up_seconds"] == 66.0


@pytest.mark.parametrize("records", [1, FEWEST_TRACKS - 1])
def test_too_few_tracks_to_compare_are_misuse(records):
    with pytest.raises(Misuse, match=f"at least 4000 tracks, not {records}"):
        measure(records, print)


def test_steps_are_those_of_the_process():
    assert list(STEPS) == ["plan", "train_clusters", "train_taste", "build", "check", "publish"]
    assert set(STEPS_KILLED) < set(STEPS)
    assert parse_arguments(["2026-11-19"]).steps == list(STEPS)


def test_a_step_before_the_plan_is_misuse(tmp_path):
    settings = load_settings().model_copy(update={"home": tmp_path})
    work = Retraining(settings, {settings.mongo_database: None}, night_of(date(2026, 11, 19)))
    with pytest.raises(Misuse, match="Nothing has been planned"):
        STEPS["build"](work)


def test_only_trainings_before_the_step_that_dies_are_left_out():
    assert list_steps("train_clusters") == list(STEPS)
    assert list_steps("train_taste") == ["plan", "train_taste", "build", "check", "publish"]
    assert list_steps("publish") == list_steps("build") == ["plan", "build", "check", "publish"]


@pytest.mark.parametrize("seed", range(3))
def test_a_plan_kills_every_step_in_turn_at_a_moment_of_its_seed(seed):
    strikes = Plan(20, seed=seed).strikes()
    assert strikes == Plan(20, seed=seed).strikes() != Plan(20, seed=seed + 1).strikes()
    assert Counter(step for step, _ in strikes) == dict.fromkeys(STEPS_KILLED, 4)
    assert all(0 <= share < 1 for _, share in strikes)


def test_a_night_knows_the_step_that_it_is_in():
    night = Heard()
    night.hear({"step": "plan", "event": "start"})
    assert night.step == "plan"
    night.hear({"step": "plan", "event": "end", "seconds": 1.5, "version": "v"})
    assert (night.step, night.version, night.seconds) == (NO_STEP, "v", {"plan": 1.5})


CHILD = "import os, time; os.setpgid(0, 0); held = b'x' * 2**26; time.sleep(60)"
PARENT = (
    "import subprocess, sys, time;"
    f"subprocess.Popen([sys.executable, '-c', {CHILD!r}]); time.sleep(60)"
)


def test_a_session_dies_whole_even_what_left_its_process_group():
    process = subprocess.Popen([sys.executable, "-c", PARENT], start_new_session=True)
    try:
        with watching(process, os.getpid()) as peak:
            deadline = time.monotonic() + 20
            while peak.tree_bytes < 2**26 and time.monotonic() < deadline:
                time.sleep(0.05)
        members = list_session(process.pid)
        assert len(members) == 2
    finally:
        assert kill_session(process) == 0
    assert list_session(process.pid) == []
    assert peak.tree_bytes > 2**26
    assert peak.beside_bytes > 0
    assert measure_tree(process.pid) == 0
