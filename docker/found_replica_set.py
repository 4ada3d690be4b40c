"""Make MongoDB a replica set and create our user, as far as that has not been done.

Runs in the network of the mongo container, for MongoDB lets nobody but its own host create the
first user. The set's member is named as the other containers know it.
"""

import os
import time

from pymongo import MongoClient
from pymongo.errors import OperationFailure

from nocturne.stack.mongo import (
    ALREADY_INITIALIZED,
    UNAUTHORIZED,
    USER_ALREADY_EXISTS,
    Document,
    run_once,
)
from nocturne.stack.services import MONGO_USER, REPLICA_SET

ELECTION_SECONDS = 60


def main(address: str = "127.0.0.1:27017") -> None:
    uri = f"mongodb://{address}/?directConnection=true"
    password = os.environ["MONGO_PASSWORD"]
    if is_founded(uri, password):
        print("the replica set and its user are there already")  # noqa: T201
        return
    member = {"_id": 0, "host": os.environ["MONGO_HOST"]}
    initiate = {"replSetInitiate": {"_id": REPLICA_SET, "members": [member]}}
    try:
        with MongoClient(uri) as client:
            run_once(client, initiate, ALREADY_INITIALIZED)
        with MongoClient(uri) as client:  # what was opened before does not see the election
            wait_for_primary(client)
            create_user = {"createUser": MONGO_USER, "pwd": password, "roles": ["root"]}
            run_once(client, create_user, USER_ALREADY_EXISTS)
    except OperationFailure as error:
        if error.code != UNAUTHORIZED:
            raise
        raise SystemExit(
            "MongoDB's volume was founded with another MONGO_PASSWORD. Put that one back into"
            " .env, or change the user's password in MongoDB first."
        ) from error
    print(f"replica set {REPLICA_SET} with the user {MONGO_USER}")  # noqa: T201


def is_founded(uri: str, password: str) -> bool:
    """Does MongoDB take our login?"""
    with MongoClient(uri, username=MONGO_USER, password=password) as client:
        try:
            client.admin.command("ping")
        except OperationFailure:
            return False
    return True


def wait_for_primary(client: MongoClient[Document]) -> None:
    deadline = time.monotonic() + ELECTION_SECONDS
    while not client.admin.command("hello")["isWritablePrimary"]:
        if time.monotonic() > deadline:
            raise SystemExit(f"MongoDB elected no primary within {ELECTION_SECONDS} s.")
        time.sleep(0.2)


if __name__ == "__main__":
    main()
