"""Tokens of the web app: shown once when they are made, kept as hashes."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pymongo.database import Database

from nocturne.errors import BadInput
from nocturne.listener_names import settle_name

Document = dict[str, Any]
PREFIX = "nocturne_"
"""So that people and scanners of leaked secrets know what it is."""
RANDOM_BYTES = 32


@dataclass(frozen=True)
class Holder:
    """Who holds a token; `user_id` is the listener that it speaks for, None for any listener."""

    name: str
    user_id: str | None


def hash_token(token: str) -> str:
    """A plain hash is enough: a token has too many random bits to be guessed."""
    return hashlib.sha256(token.encode()).hexdigest()


def make_token(database: Database[Document], name: str, user_id: str | None) -> str:
    """A new token, which nobody can read again. Raises BadInput if the name is taken or empty, or
    that of the listener is empty.
    """
    if not name.strip():
        raise BadInput("A token needs a name, by which it is revoked.")
    if user_id is not None:
        user_id = settle_listener(user_id)
    if database["tokens"].find_one({"name": name}):
        raise BadInput(
            f"There is a token called {name!r} already; revoke it, or take another name."
        )
    token = PREFIX + secrets.token_urlsafe(RANDOM_BYTES)
    entry = {"_id": hash_token(token), "name": name, "user_id": user_id}
    database["tokens"].insert_one(entry | {"made_at": datetime.now(UTC)})
    return token


def settle_listener(user_id: str) -> str:
    try:
        return settle_name(user_id.strip())
    except ValueError as error:
        raise BadInput(
            f"The token speaks for nobody who may be called {user_id!r}. {error}"
        ) from error


def find_holder(database: Database[Document], token: str) -> Holder | None:
    found = database["tokens"].find_one({"_id": hash_token(token)})
    return Holder(found["name"], found["user_id"]) if found else None


def list_tokens(database: Database[Document]) -> list[Document]:
    """Every token without its hash, by name."""
    return list(database["tokens"].find({}, {"_id": 0}).sort("name"))


def revoke_token(database: Database[Document], name: str) -> None:
    """Raises BadInput if there is none of that name."""
    if not database["tokens"].delete_many({"name": name}).deleted_count:
        known = ", ".join(token["name"] for token in list_tokens(database))
        raise BadInput(f"There is no token called {name!r}; there are: {known or 'none'}.")


def has_tokens(database: Database[Document]) -> bool:
    return database["tokens"].find_one({}, {"_id": 1}) is not None
