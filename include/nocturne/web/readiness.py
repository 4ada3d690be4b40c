"""Do the servers answer? Asked by whoever likes, as often as they like."""

from threading import Lock
from time import monotonic
from typing import Any

import pymongo
from confluent_kafka import KafkaException
from pymongo.database import Database
from pymongo.errors import PyMongoError

from nocturne.store.versions import live_version
from nocturne.stream.connection import KafkaConfig, open_admin

Document = dict[str, Any]
OK = "ok"
SILENT = "does not answer"
UNPUBLISHED = "nothing was published yet"
ANSWER_SECONDS = 1.0
"""Of each server; both are asked one after the other, and somebody waits."""
FRESH_SECONDS = 1.0


class Readiness:
    """By connections that are there already, once in FRESH_SECONDS however many ask."""

    def __init__(self, database: Database[Document], config: KafkaConfig) -> None:
        self.database = database
        self.admin = open_admin(config)
        self.lock = Lock()
        self.checks: dict[str, str] = {}
        self.checked_at = float("-inf")

    def check(self) -> dict[str, str]:
        """What is there and what is not: `mongodb`, `kafka`, `version`."""
        with self.lock:
            if monotonic() - self.checked_at > FRESH_SECONDS:
                self.checks = {**self.ask_mongo(), "kafka": self.ask_kafka()}
                self.checked_at = monotonic()
            return self.checks

    def ask_mongo(self) -> dict[str, str]:
        try:
            with pymongo.timeout(ANSWER_SECONDS):
                self.database.client.admin.command("ping")
                version = OK if live_version(self.database) else UNPUBLISHED
        except PyMongoError:
            return {"mongodb": SILENT, "version": UNPUBLISHED}
        return {"mongodb": OK, "version": version}

    def ask_kafka(self) -> str:
        try:
            self.admin.list_topics(timeout=ANSWER_SECONDS)
        except KafkaException:
            return SILENT
        return OK
