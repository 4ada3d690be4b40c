"""Who asks for approval: the run, and where it says nothing the settings."""

from datetime import timedelta

import pytest

from nocturne.settings import Settings
from nocturne_airflow.approval import choose_wait

SILENT = {"approve": None, "approve_hours": None}


def wait(params, **settings):
    return choose_wait(params, Settings(approve_hours=5, **settings))


@pytest.mark.parametrize("params", [SILENT, {}], ids=["null", "a run of before"])
def test_where_the_run_says_nothing_the_settings_decide(settings_of_nobody, params):
    assert wait(params, approve=True) == timedelta(hours=5)
    assert wait(params, approve=False) is None


@pytest.mark.parametrize("setting", [True, False])
def test_the_run_decides_over_the_settings(settings_of_nobody, setting):
    assert wait({**SILENT, "approve": True}, approve=setting) == timedelta(hours=5)
    assert wait({**SILENT, "approve": False}, approve=setting) is None
    assert wait({"approve": False, "approve_hours": 2}, approve=setting) is None


def test_the_run_may_wait_for_seconds_whoever_asked(settings_of_nobody):
    seconds = {**SILENT, "approve_hours": 0.005}
    assert wait({**seconds, "approve": True}, approve=False) == timedelta(seconds=18)
    assert wait(seconds, approve=True) == timedelta(seconds=18)
    assert wait(seconds, approve=False) is None
