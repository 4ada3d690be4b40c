from nocturne.stream.connection import client_config
from nocturne.stream.topics import TOPICS, Topic, describe_topics


def test_a_topic_comes_with_its_dead_letters():
    topic, dead_letters = describe_topics(Topic("plays", "of a test", 6, 7, 5000))
    assert (topic.topic, topic.num_partitions) == ("plays", 6)
    assert topic.config == {"retention.ms": "604800000", "max.message.bytes": "5000"}
    assert (dead_letters.topic, dead_letters.num_partitions) == ("plays.dead-letter", 1)
    assert dead_letters.config["retention.ms"] == "604800000"


def test_the_largest_message_fits_among_the_dead_letters_with_its_headers():
    for topic in TOPICS:
        dead_letters = describe_topics(topic)[1]
        headroom = int(dead_letters.config["max.message.bytes"]) - topic.largest_message_bytes
        assert headroom > 10_000


def test_replication_is_left_to_the_brokers():
    assert {new.replication_factor for new in describe_topics(TOPICS[0])} == {-1}


def test_producers_take_of_a_connection_what_they_understand():
    connection = {
        "bootstrap.servers": "kafka:9092",
        "security.protocol": "SSL",
        "group.id": "airflow",
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
    }
    assert client_config(connection) == {
        "bootstrap.servers": "kafka:9092",
        "security.protocol": "SSL",
    }
