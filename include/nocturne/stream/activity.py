"""Sending what listeners do, each event acknowledged before the sender is answered."""

from collections.abc import Sequence
from threading import Event, Lock, Thread
from time import monotonic

from confluent_kafka import KafkaError, KafkaException, Message

from nocturne.errors import ServiceUnavailable
from nocturne.stream.connection import KafkaConfig, brokers
from nocturne.stream.messages import UserActivity
from nocturne.stream.produce import open_producer
from nocturne.stream.topics import USER_ACTIVITY, ensure_topics

POLL_SECONDS = 0.1
# Somebody waits for the answer, three seconds at most; librdkafka would go on for two minutes. What
# comes later after all is the same event, and has no further effect.
ANSWER_SECONDS = 2.5
LAST_WORD_SECONDS = 0.3
LINGER_MS = 2


class Delivery:
    """Whether all events of one call have been acknowledged."""

    def __init__(self, events: int) -> None:
        self.waiting = events
        self.failure: str | None = None
        self.settled = Event()
        self.lock = Lock()

    def note(self, error: KafkaError | None, _: Message | None = None) -> None:
        with self.lock:
            self.waiting -= 1
            if error is not None:
                self.failure = error.str()
            if self.waiting == 0:
                self.settled.set()


class ActivitySender:
    """A producer that many threads share. Use as a context manager."""

    def __init__(self, config: KafkaConfig) -> None:
        ensure_topics(config, (USER_ACTIVITY,))
        self.brokers = brokers(config)
        limits = {"linger.ms": LINGER_MS, "delivery.timeout.ms": round(ANSWER_SECONDS * 1000)}
        self.producer = open_producer(config, limits)
        self.closing = Event()
        self.polling = Thread(target=self.poll, name="activity-deliveries", daemon=True)

    def __enter__(self) -> "ActivitySender":
        self.polling.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self.polling.join()
        self.producer.purge()
        self.producer.close()

    def poll(self) -> None:
        while not self.closing.is_set():
            self.producer.poll(POLL_SECONDS)

    def send(self, events: Sequence[UserActivity]) -> None:
        """Returns when all replicas have every event.

        Raises ServiceUnavailable if they did not say so within ANSWER_SECONDS; sending the same
        events again is safe.
        """
        if not events:
            return
        delivery = Delivery(len(events))
        deadline = monotonic() + ANSWER_SECONDS
        for event in events:
            value = event.model_dump_json(by_alias=True).encode()
            self.queue(event.key().encode(), value, delivery)
        settled = delivery.settled.wait(deadline - monotonic() + LAST_WORD_SECONDS)
        if not settled or delivery.failure:
            why = delivery.failure or f"no answer within {ANSWER_SECONDS:g} s"
            raise ServiceUnavailable(f"Kafka at {self.brokers} did not take the events: {why}.")

    def queue(self, key: bytes, value: bytes, delivery: Delivery) -> None:
        try:
            self.producer.produce(USER_ACTIVITY.name, value, key, on_delivery=delivery.note)
        except BufferError:
            delivery.note(KafkaError(KafkaError._QUEUE_FULL))
        except KafkaException as error:
            delivery.note(error.args[0])
