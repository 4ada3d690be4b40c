"""The live recommender, on the real servers: lists as events come, whatever dies meanwhile."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from live_library import (
    RECENT,
    TRACKS,
    VERSION,
    Topic,
    make_event,
    make_recommender,
    make_user,
    open_desk,
    publish_library,
    send_events,
    shown_ids,
)
from streams import wait_until

from nocturne.errors import BadInput, ServiceUnavailable
from nocturne.live.listener import MOST_TRACKS, Listener, listener_of
from nocturne.live.memory import Memory, to_deed
from nocturne.live.recommender import LiveRecommender, choose_start
from nocturne.stream.messages import UserActivity

pytestmark = pytest.mark.integration

NOW = datetime.now(UTC)


@pytest.fixture
def library(database):
    publish_library(database)
    return database


@contextmanager
def following(recommender):
    """The recommender at work, in a thread; it must end when it is asked to."""
    stopped = threading.Event()
    failures = []

    def work():
        try:
            recommender.follow(stopped)
        except BaseException as error:  # noqa: BLE001
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield recommender
    finally:
        stopped.set()
        thread.join(30)
        assert not thread.is_alive()
    if failures:
        raise failures[0]


@pytest.fixture
def topic(kafka):
    topic = Topic(kafka)
    yield topic
    topic.consumer.close()


def test_an_event_makes_a_list_with_a_reason(kafka, library, topic):
    anna = make_user()
    send_events(kafka, make_event(anna, TRACKS[20], "like"))
    with following(make_recommender(kafka, library)):
        (made,) = topic.wait_for(anna, 1)
    assert (made["user_id"], made["seq"], made["version"]) == (anna, 1, VERSION)
    assert shown_ids(made) == ["021", "022", "000"]
    first = made["tracks"][0]
    assert first["reason"] == "because you liked Title 020: close in timbre"
    assert first["because"] == "020"
    assert open_desk(library).show(anna).seq == 1


def test_what_was_heard_hidden_or_skipped_never_comes_back(kafka, library, topic):
    anna = make_user()
    with following(make_recommender(kafka, library)):
        done = []
        for seq, action in enumerate(["listen", "hide", "skip", "like"] * 3, 1):
            shown = shown_ids(topic.read(anna)[-1]) if seq > 1 else TRACKS
            done.append(shown[0])
            send_events(kafka, make_event(anna, shown[0], action))
            made = topic.wait_for(anna, seq)[-1]
            assert len(set(shown_ids(made))) == 3
            assert not set(done).intersection(shown_ids(made))


def test_an_event_that_comes_twice_has_one_effect(kafka, library, topic):
    anna = make_user()
    event = make_event(anna, "005", "like")
    with following(make_recommender(kafka, library)):
        send_events(kafka, event)
        topic.wait_for(anna, 1)
        send_events(kafka, event, make_event(anna, "009", "hide", event_id=event["event_id"]))
        send_events(kafka, make_event(anna, "030"))
        topic.wait_for(anna, 2)
    newest = {made["seq"]: shown_ids(made) for made in topic.read(anna)}
    assert sorted(newest) == [1, 2]
    assert open_desk(library).memory.recall([anna])[anna].listener.hidden == {}


def test_what_was_done_before_is_known_from_the_listens(kafka, library, topic):
    anna = make_user()
    event = make_event(anna, "000", "hide")
    source = {"sent_at": None, "partition": 0, "offset": 0, "topic": "user_activity"}
    stored = {key: event[key] for key in ("user_id", "track_id", "action", "ms_played")}
    at = datetime.fromisoformat(event["at"])
    library["listens"].insert_one(
        {"_id": event["event_id"], **stored, "at": at, "source": source | {"sent_at": at}}
    )
    assert "000" not in [track.track_id for track in open_desk(library).show(anna).tracks]
    with following(make_recommender(kafka, library)):
        send_events(kafka, make_event(anna, "039"))
        assert "000" not in shown_ids(topic.wait_for(anna, 1)[0])


def test_one_listener_does_not_keep_the_others_from_their_lists(kafka, library, topic):
    """What is kept of a listener is bounded, and ids that the live version lacks are not kept."""
    flood, anna = make_user(), make_user()
    unknown = [make_event(flood, f"{number:->200}", "hide") for number in range(3000)]
    send_events(kafka, *unknown, make_event(flood, "005", "hide"), make_event(anna, TRACKS[20]))
    with following(make_recommender(kafka, library)):
        assert topic.wait_for(anna, 1)
        assert topic.wait_for(flood, 1)
    assert open_desk(library).memory.recall([flood])[flood].listener.hidden.keys() == {"005"}


def test_a_listener_who_cannot_be_stored_keeps_nobody_waiting(library):
    desk = open_desk(library)
    listeners = [Listener("large", hidden=dict.fromkeys(["x" * 17_000_000], NOW)), Listener("anna")]
    stored = desk.memory.store([(one, desk.renew(one, 1)) for one in listeners])
    assert [shown.user_id for shown in stored] == ["anna"]
    assert library["listeners"].count_documents({"_id": {"$in": ["large", "anna"]}}) == 1


def test_of_what_was_done_before_the_newest_is_read(kafka, library):
    anna, events = make_user(), []
    for number in range(MOST_TRACKS + 50):
        source = {"sent_at": NOW, "partition": 0, "offset": number, "topic": "user_activity"}
        events.append(
            {
                "_id": f"{anna}-{number}", "user_id": anna, "track_id": f"t{number}",
                "action": "hide", "at": NOW + timedelta(seconds=number), "ms_played": 0,
                "source": source,
            }
        )  # fmt: skip
    library["listens"].insert_many(events)
    hidden = open_desk(library).memory.recall([anna])[anna].listener.hidden
    assert len(hidden) == MOST_TRACKS
    assert f"t{MOST_TRACKS + 49}" in hidden


def test_when_everything_was_heard_the_list_is_short(kafka, library, topic):
    anna = make_user()
    send_events(kafka, *(make_event(anna, track_id) for track_id in TRACKS[:-2]))
    with following(make_recommender(kafka, library)):
        made = topic.wait_for(anna, 1)[-1]
    assert sorted(shown_ids(made)) == TRACKS[-2:]


def test_a_message_that_breaks_the_contract_is_passed_over(kafka, library, topic):
    anna = make_user()
    bad = make_event(anna, "000") | {"action": "dance"}
    send_events(kafka, bad, make_event(anna, "001"))
    with following(make_recommender(kafka, library)):
        assert topic.wait_for(anna, 1)[-1]["seq"] == 1


def break_once(monkeypatch, name, when):
    """The method fails the first time, before or after it has done its work."""
    method = getattr(LiveRecommender, name)
    broken = []

    def fail(self, *arguments):
        if not broken and when == "before":
            broken.append(True)
            raise ServiceUnavailable("a test's")
        answer = method(self, *arguments)
        if not broken:
            broken.append(True)
            raise ServiceUnavailable("a test's")
        return answer

    monkeypatch.setattr(LiveRecommender, name, fail)
    return broken


@pytest.mark.parametrize(
    ("name", "when"), [("renew_lists", "after"), ("send", "before"), ("send", "after")]
)
def test_a_failure_at_any_point_loses_and_repeats_nothing(
    kafka, library, topic, monkeypatch, name, when
):
    anna = make_user()
    broken = break_once(monkeypatch, name, when)
    send_events(kafka, make_event(anna, "020", "like"))
    with following(make_recommender(kafka, library)):
        topic.wait_for(anna, 1)
        send_events(kafka, make_event(anna, "030", "like"))
        topic.wait_for(anna, 2)
    assert broken
    assert [made["seq"] for made in topic.read(anna)] == [1, 2]


def test_an_unfinished_transaction_is_never_seen(kafka, library, topic, monkeypatch):
    anna = make_user()
    died = []
    recommender = make_recommender(kafka, library)
    produce = LiveRecommender.send

    def die_inside(self, consumer, read, lists):
        if died or not any(shown.user_id == anna for shown in lists):
            return produce(self, consumer, read, lists)
        died.append(True)
        self.writer.begin_transaction()
        self.writer.produce("recommendations", b"{}", anna.encode())
        self.writer.flush(10)
        raise ServiceUnavailable("a test's")

    monkeypatch.setattr(LiveRecommender, "send", die_inside)
    send_events(kafka, make_event(anna, "020"))
    with following(recommender):
        topic.wait_for(anna, 1)
    assert died
    assert [made["seq"] for made in topic.read(anna)] == [1]


def test_two_writers_of_one_listener_do_not_overwrite_each_other(library):
    anna = make_user()
    memory = Memory(library, RECENT)
    desk = open_desk(library)
    first, second = (memory.recall([anna])[anna] for _ in range(2))
    memory.store([(first.listener, desk.renew(first.listener, 1))])
    with pytest.raises(ServiceUnavailable, match="Another live recommender"):
        memory.store([(second.listener, desk.renew(second.listener, 1))])
    again = memory.recall([anna])[anna]
    memory.store([(again.listener, desk.renew(again.listener, 2))])
    with pytest.raises(ServiceUnavailable, match="Another live recommender"):
        memory.store([(first.listener, desk.renew(first.listener, 2))])


def test_instances_share_the_listeners(kafka, library, topic):
    users = [make_user() for _ in range(30)]
    first, second = (make_recommender(kafka, library) for _ in range(2))
    with following(first), following(second):
        wait_until(lambda: first.writer and second.writer)
        for turn in range(3):
            send_events(kafka, *(make_event(user_id, TRACKS[turn]) for user_id in users))
        wait_until(lambda: len(last_of(topic.read(*users), 3)) == len(users))
        assert first.made
        assert second.made
    assert_in_order(topic.read(*users))


def last_of(lists, deeds):
    """The lists that know so many deeds: batches may take several at once."""
    return {made["user_id"] for made in lists if not set(TRACKS[:deeds]) & set(shown_ids(made))}


def assert_in_order(lists):
    """Every listener's lists are numbered from 1 on, each once and after the one before.

    A number is left out where a recommender died between storing a list and sending it, and the
    next one read more of the listener's events with those that it was made from.
    """
    numbers = {}
    for made in lists:
        numbers.setdefault(made["user_id"], []).append(made["seq"])
    for user_id, seqs in numbers.items():
        assert seqs == sorted(set(seqs)), user_id
        assert seqs[0] >= 1


@contextmanager
def live_process(servers, database, log):
    command = [sys.executable, "-P", "-m", "nocturne.cli", "live"]
    environment = os.environ | {
        "NOCTURNE_HOME": str(servers.home),
        "NOCTURNE_KAFKA_BOOTSTRAP": servers.kafka_bootstrap,
        "NOCTURNE_MONGO_URI": servers.mongo_uri,
        "NOCTURNE_MONGO_DATABASE": database.name,
    }
    with log.open("ab") as errors:
        process = subprocess.Popen(command, env=environment, stderr=errors)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def act_for(lists, topic, kafka, users, rng):
    """Somebody does something, again and again, until so many lists came of it; the events."""
    sent = []
    deadline = time.monotonic() + 90
    wanted = len(topic.read(*users)) + lists
    while len(topic.read(*users)) < wanted:
        assert time.monotonic() < deadline
        action = rng.choice(["listen", "like", "skip", "hide"])
        sent.append(make_event(rng.choice(users), rng.choice(TRACKS[:20]), action))
        send_events(kafka, sent[-1])
    return sent


def test_killed_again_and_again_it_loses_and_repeats_nothing(
    servers, kafka, library, topic, tmp_path
):
    rng = random.Random(7)  # noqa: S311
    users = [make_user() for _ in range(6)]
    sent = []
    log = tmp_path / "live.log"
    for _ in range(3):
        with live_process(servers, library, log) as process:
            sent += act_for(rng.randint(3, 12), topic, kafka, users, rng)
            process.send_signal(signal.SIGKILL)
    last = [make_event(user_id, "039") for user_id in users]
    send_events(kafka, *last)
    memory = Memory(library, RECENT)
    with live_process(servers, library, log) as process:
        wait_until(lambda: all("039" in one.listener.heard for one in recall(memory, users)), 60)
        wait_until(lambda: newest_seqs(topic, users) == stored_seqs(memory, users))
        process.terminate()
        assert process.wait(30) == 0, log.read_text()
    lists = topic.read(*users)
    assert_in_order(lists)
    for user_id in users:
        assert memory.recall([user_id])[user_id].listener == replay(sent + last, user_id)
    final = {made["user_id"]: shown_ids(made) for made in lists}
    for user_id, shown in final.items():
        done = {event["track_id"] for event in sent if event["user_id"] == user_id}
        assert not done.intersection(shown)


def recall(memory, users):
    return memory.recall(users).values()


def newest_seqs(topic, users):
    return {made["user_id"]: made["seq"] for made in topic.read(*users)}


def stored_seqs(memory, users):
    return {user_id: one.seq for user_id, one in memory.recall(users).items()}


def replay(events, user_id):
    mine = [event for event in events if event["user_id"] == user_id]
    documents = [UserActivity.model_validate(event).to_document() for event in mine]
    return listener_of(user_id, map(to_deed, documents))


def test_before_anything_was_published_it_says_so(kafka, database):
    with pytest.raises(BadInput, match="Nothing has been published yet"):
        make_recommender(kafka, database).follow(threading.Event())


@pytest.mark.parametrize(
    ("committed", "start"), [(None, 5), (5, 5), (7, 7), (10, 10), (3, 5), (12, 5)]
)
def test_where_reading_begins(committed, start):
    """Partition 0 holds offsets 5 to 9."""
    assert choose_start(0, committed, 5, 10) == start
