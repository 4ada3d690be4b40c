"""What an ingest sets in Python's interpreter, and that it sets it back."""

import gc
import sys

import pytest

from nocturne.stream.interpreter import OBJECTS_BETWEEN_COLLECTIONS, SWITCH_SECONDS, Tuning


def settings_now():
    return gc.get_threshold(), pytest.approx(sys.getswitchinterval())


def test_an_ingest_collects_rarely_and_leaves_what_was_set():
    before = settings_now()
    with Tuning().tuned():
        assert gc.isenabled()
        assert gc.get_threshold() == (OBJECTS_BETWEEN_COLLECTIONS, *before[0][1:])
        assert sys.getswitchinterval() == pytest.approx(SWITCH_SECONDS)
    assert settings_now() == before


def test_the_last_of_several_ingests_sets_it_back_whichever_ends_first():
    before, tuning = settings_now(), Tuning()
    first, second = tuning.tuned(), tuning.tuned()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert gc.get_threshold()[0] == OBJECTS_BETWEEN_COLLECTIONS
    second.__exit__(None, None, None)
    assert settings_now() == before


def test_an_ingest_that_fails_sets_it_back():
    before = settings_now()
    with pytest.raises(MemoryError), Tuning().tuned():
        raise MemoryError
    assert settings_now() == before
