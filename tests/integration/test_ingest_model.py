"""Any sequence of messages, crashes, replays and readers ends in the state that a model says."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from streams import hash_stored, make_ingest, make_topic, make_value, read_dead_letters, send

from nocturne.store.collections import ensure_collections
from nocturne.stream import dead_letters, ingest, reading
from nocturne.stream.offsets import GroupOffsets, Progress

pytestmark = pytest.mark.integration
EXAMPLES = settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
TRACKS = st.integers(0, 4)
RECORDS = st.fixed_dictionaries(
    {
        "track": TRACKS,
        "day": st.integers(10, 12),
        "title": st.sampled_from("abc"),
        # What is fed back comes with the time of its first sending, in whatever order.
        "sent_at_ms": st.integers(1_795_000_000_000, 1_795_000_000_003),
        "partition": st.integers(0, 1),
        "poison": st.sampled_from([False] * 9 + [True]),
    }
)
CRASHES = {
    "before the letters": (dead_letters.DeadLetters, "bury"),
    "before the write": (ingest, "write_records"),
    "after the write": (Progress, "remember"),
    "after the offsets": (GroupOffsets, "tell"),
    "at the end": (GroupOffsets, "tell_last"),
}
STEPS = st.one_of(
    st.lists(RECORDS, min_size=1, max_size=12),
    st.sampled_from(["read", "forget the offsets", "read by another group"]),
    st.tuples(st.sampled_from(sorted(CRASHES)), st.integers(1, 3)),
)


class Crash(Exception):
    """The process dies here."""


def model(sent):
    """Of each track the greatest record by day, time, partition and offset; and the poison."""
    newest, poison = {}, set()
    for place, record in sent.items():
        if record["poison"]:
            poison.add(place)
            continue
        order = (record["day"], record["sent_at_ms"], *place)
        track = str(record["track"])
        newest[track] = max(newest.get(track, (order, "")), (order, record["title"]))
    return {track: title for track, (_, title) in newest.items()}, poison


class Pipeline:
    """A topic and its collection, and every record that was sent by its place."""

    def __init__(self, kafka, database):
        ensure_collections(database)
        self.kafka = kafka
        self.database = database
        self.topic = make_topic(kafka, partitions=2)
        self.sent = {}
        self.ends = [0, 0]

    def send(self, records):
        for record in records:
            track, part = str(record["track"]), record["partition"]
            value = make_value(track, title=record["title"], day=record["day"])
            body = b"poison" if record["poison"] else value
            how = {"partition": part, "timestamp": record["sent_at_ms"]}
            send(self.kafka, self.topic, (track.encode(), body), **how)
            self.sent[part, self.ends[part]] = record
            self.ends[part] += 1

    def read(self, group="model"):
        make_ingest(self.kafka, self.topic, self.database, group=group).run()

    def read_and_crash(self, place, call):
        owner, name = CRASHES[place]
        inside, calls = getattr(owner, name), []

        def dying(*arguments):
            calls.append(arguments)
            if len(calls) == call:
                raise Crash
            return inside(*arguments)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(owner, name, dying)
            try:
                self.read()
            except Crash:
                return

    def step(self, step):
        if isinstance(step, list):
            self.send(step)
        elif isinstance(step, tuple):
            self.read_and_crash(*step)
        elif step == "forget the offsets":
            self.database["offsets"].delete_many({})
        else:
            self.read("another" if "another" in step else "model")

    def state(self):
        stored = {item["_id"]: item["metadata"]["title"] for item in self.database["tracks"].find()}
        letters = [
            (int(headers["partition"]), int(headers["offset"]))
            for headers in (dict(item.headers()) for item in self.letters())
        ]
        return stored, letters

    def letters(self):
        return read_dead_letters(self.kafka, self.topic)


@given(st.lists(STEPS, max_size=8))
@EXAMPLES
def test_whatever_happens_the_state_is_that_of_the_model(kafka, database, steps):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "BATCH", 4)
        database.client.drop_database(database.name)
        pipeline = Pipeline(kafka, database)
        for step in steps:
            pipeline.step(step)
        pipeline.read()
        expected, poison = model(pipeline.sent)
        stored, letters = pipeline.state()
        assert stored == expected
        assert sorted(letters) == sorted(poison)
        before = hash_stored(database)
        database["offsets"].delete_many({})
        pipeline.read()
        assert hash_stored(database) == before
        assert len(pipeline.letters()) == len(poison)
