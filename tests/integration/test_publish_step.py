"""The last steps of a night: what is published, and what says that it is not."""

import pytest
from made_versions import build, make_live

from nocturne.errors import BadInput
from nocturne.nights import night_of, parse_day
from nocturne.settings import load_settings
from nocturne.steps.version import plan_candidate, publish_version
from nocturne.store.collections import ensure_collections
from nocturne.store.versions import live_version, note_run, require_version

pytestmark = pytest.mark.integration
OLD, NEW = "2026-11-18.a", "2026-11-19.b"


@pytest.fixture
def settings(servers, database, tmp_path):
    ensure_collections(database)
    own = {"home": tmp_path, "mongo_database": database.name, "versions_kept": 2}
    return load_settings().model_copy(update=own)


@pytest.fixture
def publish(settings, database, tmp_path):
    def run(version, **how):
        (tmp_path / version / "clusters").mkdir(parents=True)
        planned = {"version": version, "folder": str(tmp_path / version)}
        return publish_version(settings, database.client, planned, **how)

    return run


def test_a_scheduled_night_behind_a_newer_day_is_not_green(database, publish):
    make_live(database, NEW)
    build(database, OLD, state="checked")
    with pytest.raises(BadInput, match=f"{OLD} was not published: .*{NEW}.*rollback"):
        publish(OLD, scheduled=True)
    assert live_version(database)["version"] == NEW


def test_a_past_night_of_a_backfill_may_not_be_live_and_is_green(database, publish):
    make_live(database, NEW)
    build(database, OLD, state="checked")
    note_run(database, OLD, "backfill-1")
    assert publish(OLD)["live"] is False
    assert "building_since" not in require_version(database, OLD)


def test_no_night_is_green_while_a_day_to_come_is_live(database, publish):
    """As an older Nocturne let it go live."""
    make_live(database, "2999-01-01.c")
    build(database, OLD, state="checked")
    with pytest.raises(BadInput, match=f"{OLD} was not published: .*2999-01-01"):
        publish(OLD)


def test_a_scheduled_night_that_was_live_may_be_cleared(database, publish):
    make_live(database, OLD, NEW)
    assert publish(OLD, scheduled=True)["live"] is False


@pytest.mark.parametrize(
    ("day", "reason"),
    [("2999-01-01", "is not over"), ("2026-11-15", "would be removed as soon as it was built")],
)
def test_a_night_that_cannot_stay_is_not_planned(database, settings, tmp_path, day, reason):
    make_live(database, OLD, NEW)
    landed = {"run_dir": str(tmp_path), "library": "sample", "audio_dir": None}
    night = night_of(parse_day(day))
    with pytest.raises(BadInput, match=reason):
        plan_candidate(settings, database, landed, "fma518", (2, 3), night, "run-1")
    assert database["models"].count_documents({}) == 2
