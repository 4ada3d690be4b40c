from dataclasses import replace

import pytest

from nocturne.stream.connection import client_config
from nocturne.stream.topics import DAY_MS, TOPICS, Topic

PLAYS = Topic("plays", "of a test", partitions=6, retention_days=7, largest_message_bytes=5000)


def test_a_topic_comes_with_its_dead_letters():
    assert PLAYS.dead_letter == "plays.dead-letter"
    dated = {"message.timestamp.type": "LogAppendTime"}
    assert PLAYS.configs() == {
        "plays": {"retention.ms": "604800000", "max.message.bytes": "5000", **dated},
        "plays.dead-letter": {"retention.ms": "7776000000", "max.message.bytes": "105000", **dated},
    }


@pytest.mark.parametrize("retention_days", [1, 30, 90, 91, 365])
def test_dead_letters_are_kept_as_long_as_their_topic_and_long_enough_to_mend(retention_days):
    configs = replace(PLAYS, retention_days=retention_days).configs()
    kept = {name: int(config["retention.ms"]) / DAY_MS for name, config in configs.items()}
    assert kept == {"plays": retention_days, "plays.dead-letter": max(retention_days, 90)}


def test_the_largest_message_fits_among_the_dead_letters_with_its_headers():
    for topic in TOPICS:
        limit = topic.configs()[topic.dead_letter]["max.message.bytes"]
        assert int(limit) - topic.largest_message_bytes > 10_000


def test_no_topic_is_the_dead_letters_of_another():
    names = [name for topic in TOPICS for name in topic.configs()]
    assert len(set(names)) == 2 * len(TOPICS)


def test_producers_take_of_a_connection_what_they_understand():
    connection = {
        "bootstrap.servers": "kafka:9092",
        "security.protocol": "SSL",
        "group.id": "airflow",
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
    }
    config = client_config(connection)
    assert (
        config.items()
        >= {
            "bootstrap.servers": "kafka:9092",
            "security.protocol": "SSL",
        }.items()
    )
    assert not config.keys() & {"group.id", "auto.offset.reset", "enable.auto.commit"}
