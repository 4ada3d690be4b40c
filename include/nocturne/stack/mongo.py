"""The embedded MongoDB: a one-node replica set with authentication."""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pymongo
from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from nocturne.stack.passwords import Passwords, write_private
from nocturne.stack.ports import HOST, Ports
from nocturne.stack.services import MONGO_USER, REPLICA_SET, mongo_uri
from nocturne.store.failures import explaining_address

Document = dict[str, Any]
UNAUTHORIZED = 13
AUTHENTICATION_FAILED = 18
ALREADY_INITIALIZED = 23
USER_ALREADY_EXISTS = 51003


def write_mongo_files(
    folder: Path, ports: Ports, passwords: Passwords, mongod: list[str]
) -> list[str]:
    """Write the replica set's key file; the command to start."""
    (folder / "data").mkdir(parents=True, exist_ok=True)
    write_private(folder / "keyfile", passwords.mongo_keyfile)
    return [
        *mongod,
        *("--dbpath", str(folder / "data"), "--bind_ip", HOST, "--port", str(ports.mongo)),
        *("--replSet", REPLICA_SET, "--keyFile", str(folder / "keyfile"), "--auth"),
        # A quarter of what a laptop can spare: Airflow and Spark live beside it.
        *("--wiredTigerCacheSizeGB", "0.5", "--quiet", "--nounixsocket"),
    ]


def found_replica_set(ports: Ports, passwords: Passwords) -> None:
    """Initiate the replica set and create our user, as far as that has not been done.

    Works through MongoDB's localhost exception, which ends with the first user. A set that knows
    its node by an earlier port learns the new one. Raises PyMongoError while the server is not up.
    """
    address = f"{HOST}:{ports.mongo}"
    node = {"_id": 0, "host": address}
    initiate = {"replSetInitiate": {"_id": REPLICA_SET, "members": [node]}}
    with open_client(f"mongodb://{address}/?directConnection=true") as bare:
        run_once(bare, initiate, ALREADY_INITIALIZED, UNAUTHORIZED)
    with open_client(mongo_uri(ports, passwords, "directConnection=true")) as ours:
        if has_user(ours):
            move_node(ours, address)
            return
    create_user = {"createUser": MONGO_USER, "pwd": passwords.mongo, "roles": ["root"]}
    with open_client(f"mongodb://{address}/?replicaSet={REPLICA_SET}") as bare:
        run_once(bare, create_user, USER_ALREADY_EXISTS)


def run_once(client: MongoClient[Document], command: Document, *done: int) -> None:
    """Run an admin command whose error codes `done` mean that an earlier call did it."""
    try:
        client.admin.command(command)
    except OperationFailure as error:
        if error.code not in done:
            raise


def has_user(ours: MongoClient[Document]) -> bool:
    try:
        ours.admin.command("ping")
    except OperationFailure as error:
        if error.code == AUTHENTICATION_FAILED:
            return False
        raise
    return True


def move_node(ours: MongoClient[Document], address: str) -> None:
    """Let the replica set know its node by another address, if it must."""
    config = ours.admin.command("replSetGetConfig")["config"]
    if config["members"][0]["host"] != address:
        config["members"][0]["host"] = address
        config["version"] += 1
        ours.admin.command({"replSetReconfig": config, "force": True})


def open_client(uri: str) -> MongoClient[Document]:
    """A client that gives up within seconds: it asks whether a server is there at all."""
    with explaining_address():
        return MongoClient(uri, serverSelectionTimeoutMS=4000, connectTimeoutMS=2000)


def is_mongo_healthy(uri: str, seconds: float = 5) -> bool:
    """Does a primary that takes our credentials answer within so many seconds?"""
    with open_client(uri) as client, pymongo.timeout(seconds):
        try:
            client.admin.command("ping")
            return client.primary is not None
        except PyMongoError:
            return False


def name_hosts(uri: str) -> str:
    """Where an address leads, without the login in it."""
    return urlsplit(uri).netloc.rpartition("@")[2]
