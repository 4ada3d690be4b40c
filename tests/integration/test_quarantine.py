import pytest

from nocturne.refusals import Refusal
from nocturne.store.collections import ensure_collections
from nocturne.store.quarantine import record_refusals

pytestmark = pytest.mark.integration
REFUSALS = [
    Refusal("2.mp3", "2", "silent", "There is no sound."),
    Refusal("raw_tracks.csv", "3", "track_id_duplicate", "line 7 differs from an earlier row"),
    Refusal("raw_tracks.csv", "3", "track_id_duplicate", "line 9 differs from an earlier row"),
]


@pytest.fixture
def quarantine(database):
    ensure_collections(database)
    return database["quarantine"]


def test_every_refusal_is_kept_with_its_run(database, quarantine):
    record_refusals(database, "run-1", "land_library", REFUSALS)
    found = [
        Refusal(item["source"], item["key"], item["rule"], item["reason"])
        for item in quarantine.find({"run_id": "run-1"})
    ]
    assert sorted(found) == REFUSALS


def test_the_same_run_recorded_again_changes_nothing(database, quarantine):
    record_refusals(database, "run-1", "land_library", REFUSALS)
    before = list(quarantine.find().sort("_id"))
    record_refusals(database, "run-1", "land_library", reversed(REFUSALS))
    assert list(quarantine.find().sort("_id")) == before


def test_another_run_has_refusals_of_its_own(database, quarantine):
    record_refusals(database, "run-1", "land_library", REFUSALS)
    record_refusals(database, "run-2", "land_library", REFUSALS[:1])
    assert quarantine.count_documents({"run_id": "run-1"}) == 3
    assert quarantine.count_documents({"run_id": "run-2"}) == 1


def test_no_refusals_are_no_error(database, quarantine):
    record_refusals(database, "run-1", "land_library", [])
    assert quarantine.count_documents({}) == 0


def test_what_was_mended_when_a_step_is_done_again_is_refused_no_more(database, quarantine):
    record_refusals(database, "run-1", "land_library", REFUSALS)
    record_refusals(database, "run-1", "publish_features", REFUSALS[:1])
    record_refusals(database, "run-2", "land_library", REFUSALS)
    record_refusals(database, "run-1", "land_library", REFUSALS[1:2])
    found = list(quarantine.find({"run_id": "run-1"}))
    assert sorted((one["step"], one["reason"]) for one in found) == [
        ("land_library", REFUSALS[1].reason), ("publish_features", REFUSALS[0].reason),
    ]  # fmt: skip
    record_refusals(database, "run-1", "land_library", [])
    assert quarantine.count_documents({"run_id": "run-1"}) == 1
    assert quarantine.count_documents({"run_id": "run-2"}) == 3
