"""The embedded MongoDB: a one-node replica set with authentication."""

from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from nocturne.stack.passwords import Passwords, write_private
from nocturne.stack.ports import HOST, Ports

Document = dict[str, Any]
REPLICA_SET = "nocturne"
USER = "nocturne"
ALREADY_INITIALIZED = 23
USER_ALREADY_EXISTS = 51003


def mongo_uri(ports: Ports, passwords: Passwords) -> str:
    credentials = f"{USER}:{passwords.mongo}"
    return (
        f"mongodb://{credentials}@{HOST}:{ports.mongo}/?replicaSet={REPLICA_SET}&authSource=admin"
    )


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

    Works through MongoDB's localhost exception, which ends with the first user. Raises
    PyMongoError while the server is not up.
    """
    if is_mongo_healthy(mongo_uri(ports, passwords)):
        return
    address = f"{HOST}:{ports.mongo}"
    node = {"_id": 0, "host": address}
    initiate = {"replSetInitiate": {"_id": REPLICA_SET, "members": [node]}}
    with open_client(f"mongodb://{address}/?directConnection=true") as bare:
        run_once(bare, initiate, ALREADY_INITIALIZED)
    create_user = {"createUser": USER, "pwd": passwords.mongo, "roles": ["root"]}
    with open_client(f"mongodb://{address}/?replicaSet={REPLICA_SET}") as bare:
        run_once(bare, create_user, USER_ALREADY_EXISTS)


def run_once(client: MongoClient[Document], command: Document, done: int) -> None:
    """Run an admin command whose error code `done` means that an earlier call did it."""
    try:
        client.admin.command(command)
    except OperationFailure as error:
        if error.code != done:
            raise


def open_client(uri: str) -> MongoClient[Document]:
    """A client that gives up within seconds: it asks whether a server is there at all."""
    return MongoClient(uri, serverSelectionTimeoutMS=4000, connectTimeoutMS=2000)


def is_mongo_healthy(uri: str) -> bool:
    """Does a primary that takes our credentials answer within five seconds?"""
    with open_client(uri) as client:
        try:
            client.admin.command("ping")
            return client.primary is not None
        except PyMongoError:
            return False
