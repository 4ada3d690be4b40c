"""Two steps that overlap, and what waits for what."""

from threading import Event, Thread, current_thread

import pytest

from nocturne.stream.pipeline import Pipeline

SECONDS = 10
"""Far more than anything here takes."""


def unchanged(item):
    return item


class Gate:
    """A second step that waits at every item until it is let through."""

    def __init__(self):
        self.reached, self.opened = Event(), Event()
        self.finished = []

    def __call__(self, item):
        self.reached.set()
        assert self.opened.wait(SECONDS)
        self.finished.append(item)


def test_items_go_through_both_steps_in_order():
    finished = []
    with Pipeline(lambda item: item * 10, finished.append) as pipeline:
        for item in range(200):
            pipeline.put(item)
    assert finished == [item * 10 for item in range(200)]


def test_one_thread_prepares_and_another_finishes():
    prepared_in, finished_in = set(), set()
    with Pipeline(
        lambda _: prepared_in.add(current_thread()), lambda _: finished_in.add(current_thread())
    ) as pipeline:
        for item in range(5):
            pipeline.put(item)
    assert prepared_in == {current_thread()}
    assert len(finished_in) == 1
    assert not prepared_in & finished_in


def test_an_item_is_prepared_while_the_one_before_is_finished_and_then_put_waits():
    gate, second, through = Gate(), Event(), Event()

    def prepare(item):
        if item == 2:
            second.set()
        return item

    def put_both():
        pipeline.put(1)
        pipeline.put(2)
        through.set()

    with Pipeline(prepare, gate) as pipeline:
        source = Thread(target=put_both)
        source.start()
        assert gate.reached.wait(SECONDS)
        assert second.wait(SECONDS)
        assert not through.wait(0.05), "nothing may wait behind the item that waits"
        assert gate.finished == []
        gate.opened.set()
        source.join(SECONDS)
        assert through.is_set()
    assert gate.finished == [1, 2]


def test_settling_and_leaving_wait_for_the_second_step():
    gate = Gate()
    with Pipeline(unchanged, gate) as pipeline:
        pipeline.put(1)
        assert gate.reached.wait(SECONDS)
        Thread(target=gate.opened.set).start()
        pipeline.settle()
        assert gate.finished == [1]
        pipeline.settle()
        pipeline.put(2)
    assert gate.finished == [1, 2]


def fail_at(number, seen):
    def finish(item):
        seen.append(item)
        if item == number:
            raise ConnectionError(str(item))

    return finish


def put_all(prepare, finish, items):
    with Pipeline(prepare, finish) as pipeline:
        for item in items:
            pipeline.put(item)


def test_what_the_second_step_raises_comes_out_of_the_next_put():
    seen = []
    with pytest.raises(ConnectionError, match="2"):
        put_all(unchanged, fail_at(2, seen), [1, 2, 3, 4])
    assert seen == [1, 2], "nothing is finished after what has failed"


def test_what_the_last_item_raises_comes_out_of_leaving():
    seen = []
    with pytest.raises(ConnectionError, match="4"):
        put_all(unchanged, fail_at(4, seen), [1, 2, 3, 4])
    assert seen == [1, 2, 3, 4]


def test_what_the_second_step_raises_is_raised_once():
    with Pipeline(unchanged, fail_at(1, [])) as pipeline:
        pipeline.put(1)
        with pytest.raises(ConnectionError):
            pipeline.settle()


def items_that_end_in_an_error():
    yield 1
    raise KeyError


@pytest.mark.parametrize(
    ("prepare", "items"),
    [({1: 1}.__getitem__, [1, 2]), (unchanged, items_that_end_in_an_error())],
    ids=["the first step", "the source"],
)
def test_after_an_error_of_the_first_step_or_the_source_what_was_put_in_is_finished(prepare, items):
    gate = Gate()
    opener = Thread(target=lambda: gate.reached.wait(SECONDS) and gate.opened.set())
    opener.start()
    with pytest.raises(KeyError):
        put_all(prepare, gate, items)
    assert gate.finished == [1]
    opener.join()


def test_an_error_of_the_source_is_not_hidden_by_one_of_the_second_step():
    with pytest.raises(KeyError):
        put_all(unchanged, fail_at(1, []), items_that_end_in_an_error())
