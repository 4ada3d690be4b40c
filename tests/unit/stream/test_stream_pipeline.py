"""Steps that overlap, and what waits for what."""

from threading import Event, Thread, current_thread

import pytest

from nocturne.stream.pipeline import MOST_STORING, Pipeline

SECONDS = 10
"""Far more than anything here takes."""


def unchanged(item):
    return item


def ignore(*_):
    """What finishes an item when a test looks elsewhere."""


class Gate:
    """A store that waits at every item until it is let through."""

    def __init__(self):
        self.reached, self.opened = Event(), Event()
        self.stored = []

    def __call__(self, item):
        self.reached.set()
        assert self.opened.wait(SECONDS)
        self.stored.append(item)


def test_items_go_through_all_steps_and_are_finished_in_order():
    finished = []

    def finish(prepared, stored, last):
        finished.append((prepared, stored, last))

    with Pipeline(lambda item: item * 10, str, finish) as pipeline:
        for item in range(200):
            pipeline.put(item)
    assert [found[:2] for found in finished] == [(item * 10, str(item * 10)) for item in range(200)]
    assert [last for *_, last in finished] == [False] * 199 + [True]


def test_whoever_puts_items_in_prepares_and_finishes_them_and_others_store():
    threads = {name: set() for name in ("prepared", "stored", "finished")}

    def note(name):
        return lambda *_: threads[name].add(current_thread())

    with Pipeline(note("prepared"), note("stored"), note("finished")) as pipeline:
        for item in range(9):
            pipeline.put(item)
    assert threads["prepared"] == threads["finished"] == {current_thread()}
    assert current_thread() not in threads["stored"]
    assert 1 <= len(threads["stored"]) <= MOST_STORING


def test_an_item_that_is_stored_sooner_waits_for_those_before_it():
    first, second, finished = Event(), Event(), []

    def store(item):
        (second if item == 2 else first).set()
        assert item == 2 or second.wait(SECONDS)

    with Pipeline(unchanged, store, lambda item, *_: finished.append(item)) as pipeline:
        pipeline.put(1)
        assert first.wait(SECONDS)
        pipeline.put(2)
    assert finished == [1, 2]


def test_an_item_is_prepared_while_those_before_are_stored_and_then_put_waits():
    gate, prepared, through = Gate(), Event(), Event()
    items = list(range(MOST_STORING + 1))

    def prepare(item):
        if item == items[-1]:
            prepared.set()
        return item

    def put_all():
        for item in items:
            pipeline.put(item)
        through.set()

    with Pipeline(prepare, gate, ignore) as pipeline:
        source = Thread(target=put_all)
        source.start()
        assert prepared.wait(SECONDS)
        assert not through.wait(0.05), "nothing may wait behind the item that waits"
        assert gate.stored == []
        gate.opened.set()
        source.join(SECONDS)
        assert through.is_set()
    assert sorted(gate.stored) == items


def test_settling_and_leaving_wait_until_all_is_stored():
    gate = Gate()
    with Pipeline(unchanged, gate, ignore) as pipeline:
        pipeline.put(1)
        assert gate.reached.wait(SECONDS)
        Thread(target=gate.opened.set).start()
        pipeline.settle()
        assert gate.stored == [1]
        pipeline.settle()
        pipeline.put(2)
    assert gate.stored == [1, 2]


def fail_at(number):
    def store(item):
        if item == number:
            raise ConnectionError(str(item))

    return store


def put_all(prepare, store, items, finished=None):
    kept = [] if finished is None else finished
    with Pipeline(prepare, store, lambda item, *_: kept.append(item)) as pipeline:
        for item in items:
            pipeline.put(item)


def test_what_storing_raises_comes_out_of_a_later_put():
    finished = []
    with pytest.raises(ConnectionError, match="2"):
        put_all(unchanged, fail_at(2), range(1, 9), finished)
    assert finished == [1], "nothing is finished after what has failed"


def test_what_storing_the_last_item_raises_comes_out_of_leaving():
    finished = []
    with pytest.raises(ConnectionError, match="4"):
        put_all(unchanged, fail_at(4), [1, 2, 3, 4], finished)
    assert finished == [1, 2, 3]


def test_what_storing_raises_is_raised_once():
    with Pipeline(unchanged, fail_at(1), ignore) as pipeline:
        pipeline.put(1)
        with pytest.raises(ConnectionError):
            pipeline.settle()


def items_that_end_in_an_error():
    yield 1
    raise KeyError


@pytest.mark.parametrize(
    ("prepare", "items"),
    [({1: 1}.__getitem__, [1, 2]), (unchanged, items_that_end_in_an_error())],
    ids=["preparing", "the source"],
)
def test_after_an_error_of_preparing_or_of_the_source_what_was_put_in_is_stored(prepare, items):
    gate = Gate()
    opener = Thread(target=lambda: gate.reached.wait(SECONDS) and gate.opened.set())
    opener.start()
    with pytest.raises(KeyError):
        put_all(prepare, gate, items)
    assert gate.stored == [1]
    opener.join()


def test_an_error_of_the_source_is_not_hidden_by_one_of_storing():
    with pytest.raises(KeyError):
        put_all(unchanged, fail_at(1), items_that_end_in_an_error())
