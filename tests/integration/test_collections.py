"""Collections: made from their declaration, with validators that refuse what is not theirs."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from bson.int64 import Int64
from pymongo.errors import WriteError

from nocturne.store import collections
from nocturne.store.collections import Collection, declare_collections, ensure_collections

pytestmark = pytest.mark.integration
MIDNIGHT = datetime(2026, 11, 20, tzinfo=UTC)
SENT = {"sent_at": MIDNIGHT, "partition": 0, "offset": Int64(7), "topic": "a topic"}
TRACK = {
    "_id": "2",
    "metadata": {"title": "Food", "artist_name": "AWOL"},
    "audio_sha256": "ab" * 32,
    "feature_set": "fma518-v1-22050",
    "features": [0.5] * 518,
    "content_sha256": "cd" * 32,
    "run_id": "run-1",
    "source": {"as_of": MIDNIGHT, **SENT},
}
LISTEN = {
    "_id": "event-1",
    "user_id": "owl",
    "track_id": "2",
    "action": "skip",
    "at": MIDNIGHT,
    "ms_played": 1000,
    "source": SENT,
}
RECORDS = {"tracks": TRACK, "listens": LISTEN}


def without(document, field):
    return {name: value for name, value in document.items() if name != field}


def refuses(database, collection, document):
    with pytest.raises(WriteError, match="Document failed validation"):
        database[collection].insert_one(document)
    return True


def test_collections_are_made_once_with_validators_and_indexes(database):
    ensure_collections(database)
    ensure_collections(database)
    found = {item["name"]: item for item in database.list_collections()}
    declared = declare_collections()
    assert set(found) == {collection.name for collection in declared}
    for collection in declared:
        options = found[collection.name]["options"]
        expected = {"$jsonSchema": collection.schema()} if collection.required else {}
        assert options.get("validator", {}) == expected
        indexes = database[collection.name].index_information().values()
        keys = [list(index["key"]) for index in indexes]
        assert keys == [[("_id", 1)], *collection.indexes]


def test_a_changed_declaration_reaches_a_collection_that_exists(database, monkeypatch):
    database["things"].insert_one({"_id": 1, "old": True})
    for required in ({"name": "string"}, {"name": "string", "size": "int"}, {}):
        declared = Collection("things", required, [[("name", 1)]])
        monkeypatch.setattr(collections, "declare_collections", lambda _, it=declared: [it])
        ensure_collections(database)
        [found] = database.list_collections()
        validator = found["options"].get("validator", {})
        assert validator == ({"$jsonSchema": declared.schema()} if required else {})
    assert database["things"].count_documents({}) == 1
    assert set(database["things"].index_information()) == {"_id_", "name_1"}


def test_tasks_that_begin_together_do_not_disturb_each_other(database):
    with ThreadPoolExecutor(4) as pool:
        for made in [pool.submit(ensure_collections, database) for _ in range(4)]:
            made.result()
    assert len(database.list_collection_names()) == len(declare_collections())


def test_the_tracks_collection_has_the_name_that_the_settings_give(database):
    ensure_collections(database, "songs")
    assert "songs" in database.list_collection_names()
    assert "tracks" not in database.list_collection_names()
    assert refuses(database, "songs", {"_id": "2"})


def test_the_validators_take_records_and_require_every_field(database):
    ensure_collections(database)
    for name, record in RECORDS.items():
        for field in record.keys() - {"_id"}:
            assert refuses(database, name, without(record, field)), field
        for field in record["source"]:
            source = without(record["source"], field)
            assert refuses(database, name, record | {"source": source}), field
        database[name].insert_one(record)
        assert list(database[name].find()) == [record]


def test_the_validators_refuse_wrong_records(database):
    ensure_collections(database)
    for changes in (
        {"_id": 2},
        {"features": [0.5] * 517},
        {"features": [0.5] * 519},
        {"features": [*[0.5] * 517, 1]},
        {"features": [*[0.5] * 517, None]},
        {"features": "none"},
        {"metadata": []},
        {"metadata": None},
        {"audio_sha256": None},
        {"source": "Kafka"},
        {"source": TRACK["source"] | {"as_of": "2026-11-20"}},
        {"source": TRACK["source"] | {"sent_at": None}},
        {"source": TRACK["source"] | {"offset": 7.0}},
        {"source": TRACK["source"] | {"topic": 1}},
    ):
        assert refuses(database, "tracks", TRACK | changes), changes
    for changes in (
        {"_id": 7},
        {"action": "stop"},
        {"at": "2026-11-20"},
        {"ms_played": 1.0},
        {"ms_played": Int64(1)},
        {"source": SENT | {"partition": "0"}},
    ):
        assert refuses(database, "listens", LISTEN | changes), changes
    assert not any(database[name].count_documents({}) for name in RECORDS)


def test_the_validators_of_the_other_collections_refuse_what_is_not_theirs(database):
    ensure_collections(database)
    database["offsets"].insert_one({"_id": "good", "next_offset": Int64(3)})
    bad = [
        ("offsets", {"next_offset": "3"}),
        ("offsets", {"next_offset": 3}),
        ("quarantine", {"run_id": "run-1", "source": "a.mp3", "key": "2", "rule": "silent"}),
        ("models", {"data_date": "2026-11-19", "run_id": "run-1", "state": "candidate"}),
        ("similar_tracks", {"version": "v1", "track_id": "2", "similar": {}}),
    ]
    for name, document in bad:
        assert refuses(database, name, document)
