"""A version as the model page shows it."""

from datetime import UTC, datetime, timedelta

import pytest

from nocturne.web.models import Tenure, VersionDetail
from nocturne.web.pages.training import describe_version, measure_reigns, say_length

NOW = datetime.now(UTC)


def make_version(**facts):
    known = {"version": "v", "data_date": "2026-11-20", "state": "candidate", "live": False}
    empty = {"made_at": None, "run_id": None, "verdicts": [], "clustering": None, "ranking": None}
    return VersionDetail(**{**known, **empty, "tables": {}, **facts})


def test_a_version_that_nobody_has_judged_can_be_shown():
    found = describe_version(make_version())
    assert (found["plots"], found["ranking"], found["verdicts"]) == ([], None, [])
    assert found["choice"] == "How its clusters were chosen is not noted."


def test_refusals_come_first():
    rule = {"value": 1.0, "threshold": 2.0, "meaning": ""}
    verdicts = [{"rule": "a", "passed": True, **rule}, {"rule": "b", "passed": False, **rule}]
    found = describe_version(make_version(verdicts=verdicts))
    assert [one["rule"] for one in found["verdicts"]] == ["b", "a"]
    assert found["refused"] == 1


def test_curves_are_those_that_were_measured():
    rows = [{"k": k, "distortion": 10.0 / k, "silhouette": None} for k in (2, 3)]
    clustering = {"chosen": {"k": 3, "knee": None, "reason": "best"}, "clusterings": rows}
    found = describe_version(make_version(clustering=clustering))
    assert [plot.name for plot in found["plots"]] == ["distortion"]
    assert [mark.name for mark in found["plots"][0].curve.marks] == ["chosen"]
    assert found["choice"] == "3 clusters: best."


def test_models_are_compared_by_what_was_measured():
    models = [{"model": "popularity", "ndcg@10": 0.1, "odd": 1}, {"model": "als", "ndcg@10": 0.5}]
    found = describe_version(make_version(ranking={"models": models}))
    assert [row["model"] for row in found["ranking"]["models"]] == ["als", "popularity"]
    assert (found["columns"], found["compared"]) == (["ndcg@10"], "ndcg@10")


def test_reigns_go_as_time_goes():
    day = timedelta(days=1)
    old = Tenure(version="a", since=NOW - 3 * day, until=NOW - day, because="published")
    new = Tenure(version="b", since=NOW - day, until=None, because="published")
    reigns = measure_reigns([new, old])
    assert [reign.tenure.version for reign in reigns] == ["a", "b"]
    assert reigns[0].share == pytest.approx(2 / 3, abs=0.01)
    assert reigns[0].lasted == "2 d"


@pytest.mark.parametrize(
    ("length", "said"),
    [({"seconds": 5}, "5 s"), ({"minutes": 90}, "1.5 h"), ({"days": 400}, "400 d")],
)
def test_lengths_of_time_are_short(length, said):
    assert say_length(timedelta(**length)) == said
