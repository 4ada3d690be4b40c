"""Records of a stream as documents: which one stays when several have one id.

A record's `source` says when and where it comes from, and orders the records of an id: MongoDB
compares embedded documents field by field, in their order. What is stored in the end is the
greatest or the least of all that was ever written, so it does not depend on when, how often or in
what order they were written.
"""

import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import bson
from bson.errors import BSONError
from pymongo import ReplaceOne
from pymongo.collection import Collection
from pymongo.errors import BulkWriteError, OperationFailure

Document = dict[str, Any]
UNSTORABLE = (BSONError, OverflowError, UnicodeError)
LARGEST_DOCUMENT_BYTES = 16 * 1024 * 1024
TOO_LARGE = 10334
# What MongoDB says of one document, and would say again: BadValue, FailedToParse, Overflow (of
# nesting), NotExactValue, DollarPrefixedFieldName, InvalidIdField, EmptyFieldName, ImmutableField,
# validation, CannotIndexParallelArrays, DuplicateKey, too large as document, key or replacement.
REFUSALS = {2, 9, 15, 52, 53, 56, 66, 121, 171, 11000, TOO_LARGE, 17280, 17419}


@dataclass(frozen=True)
class Rule:
    """Which of two records of one id stays: `stored` says how one that gives way compares."""

    stored: str
    gives_way: Callable[[Any, Any], bool]


NEWEST = Rule("$lt", operator.lt)
FIRST = Rule("$gt", operator.gt)


@dataclass
class Written:
    """What a write did: documents that changed something, and those that MongoDB does not take.

    `known` counts the records whose id was there before.
    """

    changed: int = 0
    known: int = 0
    refused: list[tuple[Document, str]] = field(default_factory=list)

    def add(self, other: "Written") -> None:
        self.changed += other.changed
        self.known += other.known
        self.refused += other.refused


def write_records(
    collection: Collection[Document], records: Iterable[Document], rule: Rule, new: bool = False
) -> Written:
    """Store records in any order, any number of times; each has an `_id` and a `source`.

    `new` says that most ids are thought to be new: then they are inserted without looking which
    are there. It changes what the write costs, not what it leaves.
    A record that MongoDB refuses for itself is in the answer and does not keep the others out.
    Raises PyMongoError for every other failure; writing all of them again is safe then.
    """
    written = Written()
    left = list(records)
    while left:
        now = write_storable(collection, choose_by_id(left, rule), rule, new)
        written.add(now)
        # Where the one that should stay is refused, the others of its id come to count.
        refused = {record["_id"]: record for record, _ in now.refused}
        left = [item for item in left if refused.get(item["_id"], item) is not item]
    return written


def write_storable(
    collection: Collection[Document], chosen: list[Document], rule: Rule, new: bool
) -> Written:
    """Write records of different ids; those that cannot be a document are refused."""
    try:
        return write_chosen(collection, chosen, rule, new)
    except (*UNSTORABLE, OperationFailure) as error:
        if isinstance(error, OperationFailure) and error.code != TOO_LARGE:
            raise
        # Driver or server give up a whole batch for one that BSON cannot hold.
        reasons = [why_unstorable(record) for record in chosen]
    pairs = list(zip(chosen, reasons, strict=True))
    written = write_chosen(collection, [record for record, why in pairs if not why], rule, new)
    written.refused += [(record, why) for record, why in pairs if why]
    return written


def write_chosen(
    collection: Collection[Document], chosen: list[Document], rule: Rule, new: bool
) -> Written:
    """Insert what is missing, replace what gives way."""
    written = Written()
    known: set[Any] = set() if new else find_known(collection, [each["_id"] for each in chosen])
    missing = [record for record in chosen if record["_id"] not in known]
    present = [record for record in chosen if record["_id"] in known]
    # What was not looked for, or was inserted by somebody else since, collides.
    present += insert_missing(collection, missing, written)
    written.known = len(present)
    replace_present(collection, present, rule, written)
    return written


def choose_by_id(records: Iterable[Document], rule: Rule) -> list[Document]:
    """One record an id: an unordered write must not hold two of the same."""
    chosen: dict[Any, Document] = {}
    for record in records:
        kept = chosen.get(record["_id"])
        if kept is None or rule.gives_way(order_of(kept), order_of(record)):
            chosen[record["_id"]] = record
    return list(chosen.values())


def order_of(record: Document) -> tuple[Any, ...]:
    """What orders the records of an id, as MongoDB compares their sources."""
    return tuple(record["source"].values())


def find_known(collection: Collection[Document], ids: list[Any]) -> set[Any]:
    return {found["_id"] for found in collection.find({"_id": {"$in": ids}}, {"_id": 1})}


def replace_if(record: Document, rule: Rule) -> ReplaceOne[Document]:
    """Replace the stored record if it gives way to this one."""
    return ReplaceOne({"_id": record["_id"], "source": {rule.stored: record["source"]}}, record)


def insert_missing(
    collection: Collection[Document], records: list[Document], written: Written
) -> list[Document]:
    """Insert unordered and note what came of it; the records whose id is there already."""
    if not records:
        return []
    try:
        collection.insert_many(records, ordered=False)
    except BulkWriteError as error:
        written.changed += error.details["nInserted"]
        return sort_failures(error, records, written)
    written.changed += len(records)
    return []


def replace_present(
    collection: Collection[Document], records: list[Document], rule: Rule, written: Written
) -> None:
    """Replace, unordered, what gives way, and note what came of it."""
    if not records:
        return
    try:
        result = collection.bulk_write(
            [replace_if(record, rule) for record in records], ordered=False
        )
    except BulkWriteError as error:
        written.changed += error.details["nModified"]
        sort_failures(error, records, written)
    else:
        written.changed += result.modified_count


def sort_failures(
    error: BulkWriteError, records: list[Document], written: Written
) -> list[Document]:
    """Note what MongoDB refuses; the records whose id is there already. Raises the error if it is
    of another kind.
    """
    failures = error.details["writeErrors"]
    unknown = any(each["code"] not in REFUSALS for each in failures)
    if unknown or error.details["writeConcernErrors"]:
        raise error
    collided = []
    for each in failures:
        record = records[each["index"]]
        if each.get("keyPattern") == {"_id": 1}:
            collided.append(record)
        else:
            written.refused.append((record, describe_refusal(each)))
    return collided


def describe_refusal(failure: Mapping[str, Any]) -> str:
    """What MongoDB says of a document; of one that the validator refuses, which rule it broke."""
    details = failure.get("errInfo", {}).get("details", {}).get("schemaRulesNotSatisfied")
    return f"{failure['errmsg']}: {details}" if details else str(failure["errmsg"])


def why_unstorable(record: Document) -> str:
    try:
        size = len(bson.encode(record))
    except UNSTORABLE as error:
        return str(error)
    too_large = f"{size} bytes as BSON, more than MongoDB's {LARGEST_DOCUMENT_BYTES}"
    return too_large if size > LARGEST_DOCUMENT_BYTES else ""
