"""Every delivery is checked: what arrives, what does not, and what is said of it."""

import random

import pytest
from streams import make_topic, read_messages

from nocturne.errors import ServiceUnavailable
from nocturne.stream import produce
from nocturne.stream.produce import CheckedProducer
from nocturne.stream.topics import Topic

pytestmark = pytest.mark.integration


@pytest.fixture
def topic(kafka):
    """A topic of the test's own that takes messages of up to 10,000 bytes."""
    return make_topic(kafka, partitions=2, largest_message_bytes=10_000)


def read_all(kafka, topic):
    return read_messages(kafka, topic.name)


def noise(size):
    """Bytes that no compression makes smaller."""
    return random.Random(size).randbytes(size)  # noqa: S311


def send_all(kafka, topic, messages):
    with CheckedProducer(kafka) as producer:
        for key, value in messages:
            producer.send(topic.name, key, value)


def test_every_message_is_delivered_once_with_key_value_and_headers(kafka, topic):
    sent = {f"key-{number}".encode(): f"value-{number}".encode() for number in range(1000)}
    with CheckedProducer(kafka) as producer:
        for key, value in sent.items():
            producer.send(topic.name, key, value, [("run_id", b"run-1"), ("rule", b"none")])
    assert (producer.delivered, producer.refused, producer.failures) == (1000, 0, [])
    messages = read_all(kafka, topic)
    assert len(messages) == 1000
    assert {message.key(): message.value() for message in messages} == sent
    assert messages[0].headers() == [("run_id", b"run-1"), ("rule", b"none")]


def test_messages_without_key_or_value_are_delivered(kafka, topic):
    with CheckedProducer(kafka) as producer:
        producer.send(topic.name, None, b"value")
        producer.send(topic.name, b"key", None)
    found = {(message.key(), message.value()) for message in read_all(kafka, topic)}
    assert found == {(None, b"value"), (b"key", None)}


def test_a_full_local_queue_makes_send_wait(kafka, topic):
    small = {**kafka, "queue.buffering.max.messages": 10}
    with CheckedProducer(small) as producer:
        for number in range(200):
            producer.send(topic.name, str(number).encode(), b"value")
    assert producer.delivered == len(read_all(kafka, topic)) == 200


def test_a_message_that_the_topic_does_not_take_is_counted_and_named(kafka, topic):
    send_all(kafka, topic, [(b"good", b"value")])
    with pytest.raises(ServiceUnavailable, match=r"1 messages were not delivered.*b'big'.*large"):
        send_all(kafka, topic, [(b"big", noise(10_500))])
    assert [message.key() for message in read_all(kafka, topic)] == [b"good"]


def test_a_message_that_no_topic_takes_is_counted_and_the_others_are_sent(kafka, topic):
    big = noise(produce.LARGEST_MESSAGE_BYTES + 1)
    with pytest.raises(ServiceUnavailable, match=r"1 messages were .*\(2 were\).*b'big'.*large"):
        send_all(kafka, topic, [(b"first", b"value"), (b"big", big), (b"last", b"value")])
    assert {message.key() for message in read_all(kafka, topic)} == {b"first", b"last"}


def test_a_flush_in_between_raises_as_leaving_does(kafka, topic):
    with pytest.raises(ServiceUnavailable, match="1 messages"):
        flush_early(kafka, topic, noise(produce.LARGEST_MESSAGE_BYTES + 1))
    assert flush_early(kafka, topic, b"value").delivered == 2


def flush_early(kafka, topic, value):
    with CheckedProducer(kafka) as producer:
        producer.send(topic.name, b"first", value)
        producer.flush()
        assert (producer.delivered, producer.refused) == (1, 0)
        producer.send(topic.name, b"second", value)
    return producer


def test_all_failures_are_counted_and_the_first_are_told(kafka, topic):
    big = [(f"big-{number}".encode(), noise(10_500)) for number in range(5)]
    with pytest.raises(ServiceUnavailable, match=r"5 messages were .*\(0 were\)") as caught:
        send_all(kafka, topic, big)
    assert str(caught.value).count("b'big-") == produce.SHOWN_ERRORS


def test_an_error_in_the_block_is_not_hidden_by_the_producer(kafka, topic):
    def messages():
        yield b"big", noise(produce.LARGEST_MESSAGE_BYTES + 1)
        raise KeyError

    with pytest.raises(KeyError):
        send_all(kafka, topic, messages())


def test_a_broker_that_is_away_is_named_with_the_count(free_port, monkeypatch):
    monkeypatch.setattr(produce, "DELIVERY_SECONDS", 1)
    away = {"bootstrap.servers": f"127.0.0.1:{free_port}", "log_level": 0}
    messages = [(str(number).encode(), b"value") for number in range(3)]
    with pytest.raises(ServiceUnavailable, match=rf"^3 messages .* at 127\.0\.0\.1:{free_port}"):
        send_all(away, Topic("tracks.features", "out of reach"), messages)
