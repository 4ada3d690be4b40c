import itertools
import stat
from types import SimpleNamespace

import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError
from pymongo.uri_parser import parse_uri

from nocturne.stack.mongo import (
    found_replica_set,
    is_mongo_healthy,
    run_once,
    write_mongo_files,
)
from nocturne.stack.passwords import Passwords
from nocturne.stack.ports import Ports
from nocturne.stack.services import mongo_uri


def test_the_address_names_the_set_and_where_the_user_is():
    parsed = parse_uri(mongo_uri(Ports(mongo=1234), Passwords(mongo="s3cret")))
    assert parsed["nodelist"] == [("127.0.0.1", 1234)]
    assert (parsed["username"], parsed["password"]) == ("nocturne", "s3cret")
    assert dict(parsed["options"]) == {"replicaSet": "nocturne", "authSource": "admin"}


def test_mongod_listens_here_alone_and_asks_for_a_login(tmp_path):
    folder = tmp_path / "mongo"
    command = write_mongo_files(folder, Ports(mongo=1234), Passwords(), ["mongod"])
    options = dict(itertools.pairwise(command))
    assert command[0] == "mongod"
    assert options["--bind_ip"] == "127.0.0.1"
    assert options["--port"] == "1234"
    assert options["--dbpath"] == str(folder / "data")
    assert (folder / "data").is_dir()
    assert {"--auth", "--nounixsocket"} <= set(command)


def test_the_key_file_is_private_and_no_secret_stands_on_the_command_line(tmp_path):
    passwords = Passwords()
    command = write_mongo_files(tmp_path, Ports(), passwords, ["mongod"])
    key_file = tmp_path / "keyfile"
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    assert 6 <= len(key_file.read_text()) <= 1024, "as long as MongoDB wants it"
    assert key_file.read_text().isalnum()
    for secret in (passwords.mongo, key_file.read_text()):
        assert secret not in " ".join(command)


@pytest.fixture
def nobody(monkeypatch, free_port):
    """Ports that nobody listens on, and little patience."""
    monkeypatch.setattr(
        "nocturne.stack.mongo.open_client",
        lambda uri: MongoClient(uri, serverSelectionTimeoutMS=200),
    )
    return Ports(mongo=free_port)


def test_without_a_server_nothing_is_healthy_or_founded(nobody):
    assert not is_mongo_healthy(mongo_uri(nobody, Passwords()))
    with pytest.raises(PyMongoError):
        found_replica_set(nobody, Passwords())


def test_an_error_that_is_not_expected_is_not_swallowed():
    def fail(_command):
        raise OperationFailure("no", 59)

    client = SimpleNamespace(admin=SimpleNamespace(command=fail))
    run_once(client, {"replSetInitiate": {}}, 13, 59)
    with pytest.raises(OperationFailure):
        run_once(client, {"replSetInitiate": {}}, 13)
