"""What is remembered of a listener does not depend on order or repetition."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from nocturne.live.listener import (
    MOST_TRACKS,
    REMEMBERED_DEEDS,
    SLACK,
    Deed,
    Listener,
    from_document,
    listener_of,
    to_document,
)
from nocturne.store.records import why_unstorable

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAYS = timedelta(days=3)


def deed(minute, track="2", action="listen", event_id=None):
    at = NOON + timedelta(minutes=minute)
    return Deed(at, track, action, event_id or f"{minute}-{track}-{action}")


deeds = st.lists(
    st.builds(
        deed, st.integers(0, 300), st.sampled_from("abcdef"),
        st.sampled_from(["listen", "like", "skip", "hide"]),
    ),
    max_size=90,
)  # fmt: skip


def remember(done):
    listener = Listener("anna")
    for one in done:
        listener.note(one)
    return listener


@given(deeds, st.randoms())
def test_order_and_repetition_do_not_matter(done, random):
    shuffled = [*done, *done[::2]]
    random.shuffle(shuffled)
    assert remember(shuffled) == remember(done) == listener_of("anna", done)


@given(deeds)
def test_noting_again_changes_nothing(done):
    listener = remember(done)
    newest = listener.deeds[-1:]
    assert not any(listener.note(one) for one in newest)


@given(deeds)
def test_a_document_keeps_everything(done):
    listener = remember(done)
    assert from_document("anna", to_document(listener)) == listener


def test_only_the_newest_deeds_are_remembered_but_everything_heard_is():
    listener = remember(deed(minute, track=str(minute)) for minute in range(80))
    assert [one.track_id for one in listener.deeds] == [str(m) for m in range(60, 80)]
    assert len(listener.deeds) == REMEMBERED_DEEDS
    assert len(listener.heard) == 80


def test_an_event_known_by_its_id_has_no_further_effect():
    listener = remember([deed(0, event_id="e")])
    assert not listener.note(deed(5, "other", "hide", event_id="e"))
    assert listener.hidden == {}


def test_what_was_heard_liked_or_skipped_lately_is_left_out():
    done = [deed(0, "a"), deed(1, "b", "like"), deed(2, "c", "skip")]
    listener = remember(done)
    assert listener.find_left_out(NOON + timedelta(hours=1), DAYS) == {"a", "b", "c"}
    assert listener.find_left_out(NOON + timedelta(days=4), DAYS) == set()


def test_what_is_hidden_or_was_skipped_twice_stays_out():
    once, again = deed(0, "a", "skip"), deed(9, "a", "skip")
    listener = remember([once, again, deed(3, "b", "hide"), deed(4, "c", "skip")])
    later = NOON + timedelta(days=400)
    assert listener.find_left_out(later, DAYS) == {"a", "b"}
    listener.forget(later)
    assert listener.heard == {}
    assert listener.find_left_out(later, DAYS) == {"a", "b"}


def test_the_same_skip_twice_is_one_skip():
    listener = remember([deed(0, "a", "skip", "x"), deed(0, "a", "skip", "y")])
    assert listener.find_left_out(NOON + timedelta(days=400), DAYS) == set()


def test_the_tracks_that_were_touched_last_are_kept_of_each_kind():
    most = MOST_TRACKS + SLACK
    listener = Listener("anna")
    for minute in range(3 * MOST_TRACKS):
        listener.note(deed(minute, str(minute), ("hide", "skip")[minute % 2]))
    for kept in (listener.heard, listener.hidden, listener.skipped):
        assert MOST_TRACKS // 2 <= len(kept) <= most
    assert str(3 * MOST_TRACKS - 1) in listener.heard.keys() & listener.skipped.keys()
    assert "0" not in listener.hidden


def test_the_largest_listener_is_a_document_that_mongodb_takes():
    """As long ids as there may be, of characters that take most bytes."""
    most = [chr(0x10000 + number) * 200 for number in range(MOST_TRACKS + SLACK)]
    listener = Listener("anna")
    for number, track in enumerate(most):
        listener.heard[track] = listener.hidden[track] = NOON
        listener.skipped[track] = [NOON, NOON + timedelta(minutes=number)]
    assert not why_unstorable(to_document(listener))


def test_who_was_remembered_before_times_were_hides_the_same():
    listener = remember([deed(0, "a", "hide"), deed(1, "b", "hide")])
    document = {**to_document(listener), "hidden": ["a", "b"]}
    before = from_document("anna", document)
    assert before.hidden.keys() == listener.hidden.keys()
    assert before.find_left_out(NOON + 400 * DAYS, DAYS) == {"a", "b"}
    assert before.note(deed(5, "a", "hide"))
