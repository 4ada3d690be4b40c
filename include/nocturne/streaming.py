"""The commands about topics: what they hold, loading them, their dead letters.

Clients of Kafka and MongoDB are loaded once it is known that there are servers.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from nocturne.errors import Misuse, ServiceUnavailable
from nocturne.settings import Settings, load_settings
from nocturne.stack.services import find_services

if TYPE_CHECKING:
    from pymongo.database import Database

    from nocturne.stream.connection import KafkaConfig
    from nocturne.stream.ingest import Ingest
    from nocturne.stream.lag import TopicStatus
    from nocturne.stream.topics import Topic

Document = dict[str, Any]
SHOWN_BYTES = 200
BY_HAND = "by-hand"
ANSWER_SECONDS = 2.5
REMEDY = "`./nocturne up` starts this home's servers, `./nocturne status` shows them"


def find_servers() -> Settings:
    """The settings, with the addresses of this home's servers; raises Misuse without a Kafka."""
    settings = find_services(load_settings())
    if not settings.kafka_bootstrap:
        raise Misuse(
            "There is no Kafka yet: `./nocturne up` starts it, or set NOCTURNE_KAFKA_BOOTSTRAP."
        )
    return settings


def find_both_servers() -> Settings:
    """As `find_servers`; raises Misuse without a MongoDB too."""
    settings = find_servers()
    require_mongo(settings)
    return settings


def require_mongo(settings: Settings) -> None:
    if not settings.mongo_uri:
        raise Misuse(
            "There is no MongoDB yet: `./nocturne up` starts it, or set NOCTURNE_MONGO_URI."
        )


def require_kafka_answers(settings: Settings) -> None:
    """Raises ServiceUnavailable within some two seconds if it does not: clients wait far longer."""
    from nocturne.stack.kafka import is_kafka_healthy

    if not is_kafka_healthy(settings.kafka_bootstrap):
        raise ServiceUnavailable(f"Kafka at {settings.kafka_bootstrap} does not answer: {REMEDY}.")


def require_both_answer(settings: Settings) -> None:
    """The same of MongoDB too, asked at the same time."""
    from nocturne.stack.mongo import is_mongo_healthy, name_hosts

    with ThreadPoolExecutor(1) as other:
        mongo = other.submit(is_mongo_healthy, settings.mongo_uri, ANSWER_SECONDS)
        require_kafka_answers(settings)
    if not mongo.result():
        hosts = name_hosts(settings.mongo_uri)
        raise ServiceUnavailable(f"MongoDB at {hosts} does not answer, or refuses us: {REMEDY}.")


def find_topic(name: str) -> "Topic":
    from nocturne.stream.topics import TOPICS

    by_name = {topic.name: topic for topic in TOPICS}
    if name not in by_name:
        raise Misuse(f"{name!r} is not a topic of Nocturne's: {', '.join(sorted(by_name))}.")
    return by_name[name]


def describe_all_topics(settings: Settings) -> "list[TopicStatus]":
    """Every topic of the declaration, created if it was missing."""
    from nocturne.stream.connection import kafka_config
    from nocturne.stream.lag import describe_topic
    from nocturne.stream.topics import TOPICS, ensure_topics

    require_kafka_answers(settings)
    config = kafka_config(settings)
    ensure_topics(config)
    return [describe_topic(config, topic) for topic in TOPICS]


@contextmanager
def open_ingest(settings: Settings, topic: str) -> "Iterator[Ingest]":
    """The same ingest, with the same group, that the topic's DAG runs.

    Raises Misuse if the topic is not one that becomes documents, or there is no MongoDB.
    """
    wanted = find_topic(topic)
    if topic not in INGESTS:
        raise Misuse(f"{topic} becomes no documents; those that do: {', '.join(sorted(INGESTS))}.")
    require_mongo(settings)
    require_both_answer(settings)
    from nocturne.store.collections import connect
    from nocturne.stream.connection import kafka_config
    from nocturne.stream.topics import ensure_topics

    config = kafka_config(settings)
    ensure_topics(config, (wanted,))
    with connect(settings) as client:
        yield INGESTS[topic](config, client[settings.mongo_database], settings)


def describe_letters(settings: Settings, topic: str, everything: bool) -> list[dict[str, Any]]:
    """The letters that wait, or all, with the beginning of what the message says."""
    from nocturne.stream.connection import kafka_config
    from nocturne.stream.replay import list_letters

    require_kafka_answers(settings)
    return [
        {
            "partition": letter.partition,
            "offset": letter.offset,
            "rule": letter.rule,
            "error": letter.error,
            "run_id": letter.run_id,
            "sent_at": letter.sent_at or f"{letter.sent_at_ms} ms, in no year",
            "key": show(letter.key),
            "bytes": len(letter.value or b""),
            "begins": show(letter.value),
            "replayed": replayed,
        }
        for letter, replayed in list_letters(kafka_config(settings), find_topic(topic))
        if everything or not replayed
    ]


def show(content: bytes | None) -> str | None:
    return None if content is None else content[:SHOWN_BYTES].decode(errors="backslashreplace")


def replay_letters(settings: Settings, topic: str) -> int:
    from nocturne.stream.connection import kafka_config
    from nocturne.stream.replay import replay_letters as replay

    require_kafka_answers(settings)
    return replay(kafka_config(settings), find_topic(topic))


def open_tracks(
    config: "KafkaConfig", database: "Database[Document]", settings: Settings
) -> "Ingest":
    from nocturne.stream.tracks import ingest_tracks

    collection, share = settings.tracks_collection, settings.max_refused_share
    return ingest_tracks(config, database, collection, BY_HAND, share)


def open_listens(
    config: "KafkaConfig", database: "Database[Document]", settings: Settings
) -> "Ingest":
    from nocturne.stream.listens import ingest_listens

    return ingest_listens(config, database, BY_HAND, settings.max_refused_share)


INGESTS: "dict[str, Callable[[KafkaConfig, Database[Document], Settings], Ingest]]" = {
    "tracks.features": open_tracks,
    "user_activity": open_listens,
}
"""By the topic's name, as `nocturne.stream.topics` has it."""
