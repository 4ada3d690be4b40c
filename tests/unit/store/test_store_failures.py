"""What MongoDB's failures mean to whoever meets them."""

import pytest
from pymongo import MongoClient
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    ConfigurationError,
    NetworkTimeout,
    NotPrimaryError,
    OperationFailure,
    ServerSelectionTimeoutError,
    WriteConcernError,
)

from nocturne.errors import BadInput, ServiceUnavailable
from nocturne.store.failures import SHOWN_CHARACTERS, explain_failure


@pytest.fixture
def collection():
    """A collection on a server that nobody asks."""
    address = "mongodb://owl:secret@db.example:27018/?authSource=admin"
    with MongoClient(address, connect=False) as client:
        yield client["nocturne"]["tracks"]


def failed_bulk(write_errors, write_concern_errors=()):
    return BulkWriteError(
        {"writeErrors": write_errors, "writeConcernErrors": list(write_concern_errors)}
    )


@pytest.mark.parametrize(
    "error",
    [
        OperationFailure("not authorized on nocturne to execute command", 13),
        OperationFailure("Authentication failed.", 18),
        OperationFailure("bad auth : authentication failed", 8000),
    ],
)
def test_a_refused_login_is_bad_input(collection, error):
    explained = explain_failure(error, collection)
    assert type(explained) is BadInput
    assert "db.example:27018 failed with nocturne.tracks" in str(explained)
    assert str(error) in str(explained)
    assert str(explained).endswith("Mend the login or its rights.")


def test_an_address_that_cannot_be_used_is_bad_input(collection):
    explained = explain_failure(ConfigurationError("the set has another name"), collection)
    assert type(explained) is BadInput
    assert "another name. Mend the address." in str(explained)


@pytest.mark.parametrize(
    "error",
    [
        AutoReconnect("connection closed"),
        NetworkTimeout("timed out"),
        NotPrimaryError("not primary"),
        ServerSelectionTimeoutError("connection refused"),
        WriteConcernError("waiting for replication timed out", 64),
        OperationFailure("interrupted at shutdown", 11600),
        OperationFailure("says no code"),
    ],
)
def test_what_may_pass_is_worth_a_retry(collection, error):
    explained = explain_failure(error, collection)
    assert type(explained) is ServiceUnavailable
    assert str(explained).startswith(
        f"MongoDB at db.example:27018 failed with nocturne.tracks: {error}"
    )


def test_a_failed_write_is_told_without_its_documents(collection):
    failed = {
        "index": 0,
        "code": 999,
        "errmsg": "the first",
        "op": {"_id": "2", "of": "a listener"},
    }
    other = {"index": 1, "code": 999, "errmsg": "the second", "op": {"_id": "3"}}
    explained = explain_failure(failed_bulk([failed, other]), collection)
    assert type(explained) is ServiceUnavailable
    assert str(explained).endswith("nocturne.tracks: 2 writes failed, the first: the first")


def test_a_write_that_was_not_acknowledged_is_told(collection):
    explained = explain_failure(failed_bulk([], [{"code": 64, "errmsg": "timed out"}]), collection)
    assert str(explained).endswith("1 writes failed, the first: timed out")


@pytest.mark.parametrize("code", [13, 64])
def test_words_without_end_are_cut_and_passwords_not_told(collection, code):
    long = "x" * 10_000
    for error in (OperationFailure(long, code), failed_bulk([{"errmsg": long}])):
        words = str(explain_failure(error, collection))
        assert len(words) < SHOWN_CHARACTERS + 200
        assert "secret" not in words
