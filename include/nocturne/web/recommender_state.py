"""Is the live recommender there, and does it keep up? What the pages' lamp says."""

from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from pymongo.database import Database

from nocturne.errors import NocturneError
from nocturne.live.recommender import name_group
from nocturne.stream.connection import KafkaConfig, open_admin
from nocturne.stream.lag import measure_lag
from nocturne.stream.offsets import measure_topic
from nocturne.stream.topics import USER_ACTIVITY

ANSWER_SECONDS = 2.0


@dataclass(frozen=True)
class State:
    """`name` is one of `live` (up to date), `behind` by so many events, `alone` (no recommender
    runs), `away` (MongoDB or Kafka does not answer).
    """

    name: str
    behind: int = 0


class RecommenderWatch:
    """Looked at again and again, by one thread."""

    def __init__(self, config: KafkaConfig, database: Database[dict[str, Any]]) -> None:
        self.config = config
        self.group = name_group(database)
        self.admin: AdminClient | None = None
        self.database_answers = True
        self.was_behind = False

    def look(self) -> State:
        if not self.database_answers:
            return State("away")
        try:
            members, lag = self.ask()
        except (KafkaException, NocturneError):
            return State("away")
        # What came just now is not yet late.
        late, self.was_behind = self.was_behind and lag > 0, lag > 0
        if not members:
            return State("alone", lag)
        return State("behind", lag) if late else State("live")

    def ask(self) -> tuple[int, int]:
        """How many recommenders there are, and how many events they have not read yet."""
        self.admin = self.admin or open_admin(self.config)
        extent = measure_topic(self.admin, USER_ACTIVITY.name, ANSWER_SECONDS)
        lag = measure_lag(self.admin, extent, self.group, ANSWER_SECONDS)
        asked = self.admin.describe_consumer_groups([self.group], request_timeout=ANSWER_SECONDS)
        try:
            members = len(asked[self.group].result().members)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.GROUP_ID_NOT_FOUND:
                raise
            members = 0
        return members, sum(extent.end.values()) if lag is None else lag
