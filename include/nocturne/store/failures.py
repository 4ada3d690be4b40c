"""What MongoDB's failures mean."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pymongo.collection import Collection
from pymongo.errors import (
    BulkWriteError,
    ConfigurationError,
    InvalidName,
    OperationFailure,
    PyMongoError,
)

from nocturne.errors import BadInput, NocturneError, ServiceUnavailable

# Unauthorized, AuthenticationFailed, and what Atlas says for both.
REFUSED_LOGINS = {13, 18, 8000}
SHOWN_CHARACTERS = 500


@contextmanager
def explaining(collection: Collection[Any]) -> Iterator[None]:
    """MongoDB's failures as ours, naming the server and the collection."""
    try:
        yield
    except PyMongoError as error:
        raise explain_failure(error, collection) from error


@contextmanager
def explaining_address() -> Iterator[None]:
    """An address that cannot be one as BadInput, without the login that may stand in it."""
    try:
        yield
    except (ConfigurationError, InvalidName, ValueError) as error:
        raise BadInput(
            f"NOCTURNE_MONGO_URI is no address of MongoDB's, like mongodb://host:27017/: {error}"
        ) from error


def explain_failure(error: PyMongoError, collection: Collection[Any]) -> NocturneError:
    """A failure of MongoDB as one of ours: ServiceUnavailable if a retry may mend it."""
    servers = collection.database.client.topology_description.server_descriptions()
    hosts = ",".join(f"{host}:{port}" for host, port in servers)
    what = f"MongoDB at {hosts} failed with {collection.full_name}: {shorten(error)}"
    if isinstance(error, ConfigurationError):
        return BadInput(f"{what}. Mend the address.")
    if isinstance(error, OperationFailure) and error.code in REFUSED_LOGINS:
        return BadInput(f"{what}. Mend the login or its rights.")
    return ServiceUnavailable(what)


def shorten(error: PyMongoError) -> str:
    """The words of an error, without the documents of a failed write."""
    if isinstance(error, BulkWriteError):
        failed = [*error.details["writeErrors"], *error.details["writeConcernErrors"]]
        return f"{len(failed)} writes failed, the first: {failed[0]['errmsg']}"[:SHOWN_CHARACTERS]
    return str(error)[:SHOWN_CHARACTERS]
