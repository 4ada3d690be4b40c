"""Several nights in a row that a gate refused: what `status` and the page say."""

import pytest
from made_versions import build, make_live

from nocturne.store.collections import ensure_collections
from nocturne.store.refused_nights import describe_refused_nights
from nocturne.store.versions import note_version

pytestmark = pytest.mark.integration
LIVE = "2026-11-15.a"


@pytest.fixture(autouse=True)
def ready(database):
    ensure_collections(database)


def refuse(database, name, *rules):
    build(database, name, state="refused")
    verdicts = [{"rule": rule, "passed": False} for rule in rules]
    note_version(database, name, {"verdicts": [{"rule": "tracks", "passed": True}, *verdicts]})


def test_two_nights_in_a_row_are_told_with_what_to_do(database):
    make_live(database, LIVE)
    refuse(database, "2026-11-16.a", "rows_kept")
    assert describe_refused_nights(database) is None, "one is what gates are for"
    refuse(database, "2026-11-17.a", "rows_kept", "clusters_kept")
    told = describe_refused_nights(database)
    assert "2 nights in a row were refused, 2026-11-16 to 2026-11-17" in told
    assert f"{LIVE} is still live. By: rows_kept (2), clusters_kept (1)." in told
    assert "relax NOCTURNE_MAX_ROWS_LOST for a night, then clear check_candidate" in told


def test_nights_before_the_live_one_and_days_that_passed_in_the_end_do_not_count(database):
    for day in (13, 14):
        refuse(database, f"2026-11-{day}.a", "rows_kept")
    make_live(database, LIVE)
    assert describe_refused_nights(database) is None
    refuse(database, "2026-11-16.a", "rows_kept")
    build(database, "2026-11-17.a", state="checked")
    refuse(database, "2026-11-18.a", "rows_kept")
    assert describe_refused_nights(database) is None


def test_where_nothing_has_ever_been_live_it_is_told_too(database):
    for day in (13, 14, 15):
        refuse(database, f"2026-11-{day}.a", "tracks")
    told = describe_refused_nights(database)
    assert "3 nights in a row" in told
    assert "nothing is live. By: tracks (3). The page of each version says why; mend" in told
