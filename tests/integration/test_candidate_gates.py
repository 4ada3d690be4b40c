"""Candidates before their judge: what was built and stored, beside the version that is live."""

from datetime import timedelta

import numpy as np
import pytest
from made_candidates import GOOD_CLUSTERS, IDS, NEW, NIGHT, build, fill_library, make_track, play

from nocturne.errors import BadInput
from nocturne.models.gates import Limits, require_passed
from nocturne.nights import night_of, parse_day
from nocturne.recommend.candidates import judge_candidate
from nocturne.store.versions import live_version, note_version, publish, require_version

pytestmark = pytest.mark.integration
DAY_BEFORE = night_of(parse_day("2026-11-18"))
LONG_BEFORE = night_of(parse_day("2026-11-12"))
DAY_AFTER = night_of(parse_day("2026-11-20"))
LIMITS = Limits(
    max_cluster_share=0.5,
    min_stability=0.4,
    max_silhouette_drop=0.1,
    max_rows_lost=0.2,
    max_ranking_drop=0.25,
)


@pytest.fixture
def library(database):
    fill_library(database)
    return database


@pytest.fixture
def champion(library, tmp_path):
    """What is live: the day before's."""
    version, _ = build(library, tmp_path, night=DAY_BEFORE)
    judge_candidate(library, version, LIMITS)
    assert publish(library.client, library.name, version)
    return version


def refused_rules(library, version, limits=LIMITS):
    verdicts = judge_candidate(library, version, limits)
    return [verdict["rule"] for verdict in verdicts if not verdict["passed"]]


def threshold(verdicts, rule):
    return next(item["threshold"] for item in verdicts if item["rule"] == rule)


def test_a_good_candidate_is_checked_and_can_go_live(library, tmp_path):
    version, _ = build(library, tmp_path)
    verdicts = judge_candidate(library, version, LIMITS)
    require_passed(version, verdicts)
    model = require_version(library, version)
    assert (model["state"], model["verdicts"], model["champion"]) == ("checked", verdicts, None)
    values = {item["rule"]: item["value"] for item in verdicts}
    assert values["tracks"] == values["similar_tracks.rows"] == 12
    assert (values["similar_tracks.shortest"], values["for_you.shortest"]) == (3, 5)
    assert values["for_you.rows"] == 15, "fourteen listeners and anybody"
    assert None not in values.values(), "every rule has something to judge"
    assert publish(library.client, library.name, version)


def test_the_planted_bad_clustering_is_refused_and_kept_with_its_reasons(
    library, champion, tmp_path
):
    """Raw-scaled skewed data: a silhouette of .93 with 99 % of the tracks in one cluster."""
    bad = {"largest_share": 0.99, "stability": 1.0, "silhouette": 0.93}
    version, _ = build(library, tmp_path, final=bad)
    verdicts = judge_candidate(library, version, LIMITS)
    with pytest.raises(BadInput, match=rf"{version} was refused: clusters\.largest_share is 0\.99"):
        require_passed(version, verdicts)
    model = require_version(library, version)
    assert (model["state"], model["verdicts"]) == ("refused", verdicts)
    assert [item["rule"] for item in verdicts if not item["passed"]] == ["clusters.largest_share"]
    assert library["similar_tracks"].count_documents({"version": version}) == 12
    with pytest.raises(BadInput, match="A gate has refused"):
        publish(library.client, library.name, version)
    assert live_version(library)["version"] == champion


@pytest.mark.parametrize(("tracks", "refused"), [(10, []), (9, ["rows_kept"])])
def test_a_library_that_has_shrunk_by_more_than_the_share_is_refused(
    library, champion, tmp_path, tracks, refused
):
    version, _ = build(library, tmp_path, track_ids=IDS[:tracks])
    found = refused_rules(library, version)
    assert [rule for rule in found if rule == "rows_kept"] == refused
    assert require_version(library, version)["champion"] == champion


def test_one_worse_than_popularity_is_refused(library, tmp_path):
    version, _ = build(library, tmp_path)
    ranking = require_version(library, version)["ranking"]
    by_model = {row["model"]: row for row in ranking["models"]}
    assert by_model["nocturne"]["ndcg@10"] > by_model["popularity"]["ndcg@10"]
    by_model["nocturne"]["ndcg@10"] = by_model["popularity"]["ndcg@10"] - 0.01
    note_version(library, version, {"ranking": ranking})
    assert refused_rules(library, version) == ["ndcg@10.popularity"]


def test_one_much_worse_than_the_champion_is_refused(library, champion, tmp_path):
    """For listeners of both, by what both held out."""
    version, _ = build(library, tmp_path, final=GOOD_CLUSTERS | {"silhouette": 0.19})
    assert library["judged_lists"].count_documents({"version": version}) == 14
    for row in library["judged_lists"].find({"version": version}):
        others = [item for item in row["items"] if item not in row["held_out"]]
        change = {"$set": {"items": others}}
        library["judged_lists"].update_one({"_id": row["_id"]}, change)
    assert refused_rules(library, version) == ["clusters.silhouette", "ndcg@10.champion"]


def test_what_grows_or_changes_is_no_regression(library, champion, tmp_path):
    """New listeners of other tastes and a new track: the figures fall, for others than before."""
    before = require_version(library, champion)["ranking"]
    by_model = {row["model"]: row for row in before["models"]}
    by_model["nocturne"]["ndcg@10"] = 0.99
    note_version(library, champion, {"ranking": before})
    library["tracks"].insert_one(make_track(NEW, 12, np.random.default_rng(9).normal(size=518)))
    for number in range(30):
        for track_id in np.random.default_rng(number).permutation(IDS)[:4]:
            play(library, f"newcomer-{number:02}", str(track_id), NIGHT.end - timedelta(days=10))
    version, _ = build(library, tmp_path, track_ids=[*IDS, NEW])
    assert "ndcg@10.champion" not in refused_rules(library, version)
    verdict = next(
        one for one in require_version(library, version)["verdicts"]
        if one["rule"] == "ndcg@10.champion"
    )  # fmt: skip
    assert "the same 14 listeners" in verdict["meaning"]


def test_a_night_without_listeners_is_refused_where_there_were_some(library, champion, tmp_path):
    library["listens"].delete_many({})
    version, _ = build(library, tmp_path)
    assert refused_rules(library, version) == ["listeners_kept", "ranking_kept"]


def test_a_listener_who_hid_everything_does_not_speak_for_others(library, tmp_path):
    for track_id in IDS:
        play(library, "hermit-99", track_id, NIGHT.end - timedelta(days=20), "hide")
    version, _ = build(library, tmp_path)
    assert require_version(library, version)["shortest_possible"] == 0
    assert refused_rules(library, version) == []
    library["for_you"].update_one({"user_id": "listener-03"}, {"$pop": {"items": 1}})
    assert refused_rules(library, version) == ["for_you.shortest", "for_you.as_built"]
    verdicts = require_version(library, version)["verdicts"]
    shortest = next(one for one in verdicts if one["rule"] == "for_you.shortest")
    assert (shortest["value"], shortest["threshold"]) == (4, 5)


def test_a_version_of_another_library_is_not_compared(library, champion, tmp_path):
    version, _ = build(library, tmp_path, track_ids=IDS[:6], library="another")
    verdicts = judge_candidate(library, version, LIMITS)
    assert threshold(verdicts, "rows_kept") is None
    assert require_version(library, version)["champion"] is None


def test_another_library_does_not_go_live_unasked(library, champion, tmp_path):
    version, _ = build(library, tmp_path, track_ids=IDS[:3], library="another")
    assert refused_rules(library, version) == ["library_kept"]
    verdicts = judge_candidate(library, version, LIMITS, may_replace=True)
    require_passed(version, verdicts)
    assert champion in next(one for one in verdicts if one["rule"] == "library_kept")["meaning"]
    assert publish(library.client, library.name, version)
    assert refused_rules(library, version) == [], "it is live"


def test_an_older_day_of_another_library_takes_nobodys_place(library, champion, tmp_path):
    version, _ = build(library, tmp_path, night=LONG_BEFORE, library="another")
    assert refused_rules(library, version) == []


def test_a_newer_day_is_not_compared(library, champion, tmp_path):
    newer, _ = build(library, tmp_path, night=DAY_AFTER)
    judge_candidate(library, newer, LIMITS)
    publish(library.client, library.name, newer)
    version, _ = build(library, tmp_path, track_ids=IDS[:6])
    verdicts = judge_candidate(library, version, LIMITS)
    assert threshold(verdicts, "rows_kept") is None
    assert require_version(library, version)["champion"] is None


def test_a_published_version_is_judged_beside_what_it_displaced(library, champion, tmp_path):
    version, _ = build(library, tmp_path)
    before = judge_candidate(library, version, LIMITS)
    publish(library.client, library.name, version)
    assert judge_candidate(library, version, LIMITS) == before
    model = require_version(library, version)
    assert (model["state"], model["champion"]) == ("published", champion)
    judge_candidate(library, champion, LIMITS)
    assert require_version(library, champion)["champion"] is None


def shorten_a_list(library):
    library["similar_tracks"].update_one({}, {"$pop": {"similar": 1}})


def change_a_score(library):
    library["for_you"].update_one({}, {"$set": {"items.0.score": 77.0}})


def lose_a_listener(library):
    library["for_you"].delete_one({"user_id": "listener-03"})


def lose_everything(library):
    library["similar_tracks"].delete_many({})


@pytest.mark.parametrize(
    ("tamper", "refused"),
    [
        (shorten_a_list, ["similar_tracks.shortest", "similar_tracks.as_built"]),
        (change_a_score, ["for_you.as_built"]),
        (lose_a_listener, ["for_you.rows", "for_you.as_built"]),
        (
            lose_everything,
            ["similar_tracks.rows", "similar_tracks.shortest", "similar_tracks.as_built"],
        ),
    ],
)
def test_tables_that_were_changed_are_refused(library, tmp_path, tamper, refused):
    version, _ = build(library, tmp_path)
    tamper(library)
    assert refused_rules(library, version) == refused
    assert require_version(library, version)["state"] == "refused"


def test_a_library_of_one_track_is_refused_and_one_of_two_is_not(library, tmp_path):
    for tracks, refused in ((["1"], ["tracks"]), (["1", "2"], [])):
        version, _ = build(library, tmp_path, track_ids=tracks, final=None)
        assert refused_rules(library, version) == refused


def test_a_refused_version_that_is_judged_by_other_limits_may_pass(library, tmp_path):
    version, _ = build(library, tmp_path, final=GOOD_CLUSTERS | {"stability": 0.3})
    assert refused_rules(library, version) == ["clusters.stability"]
    less = Limits(**vars(LIMITS) | {"min_stability": 0.2})
    assert refused_rules(library, version, less) == []
    assert require_version(library, version)["state"] == "checked"
