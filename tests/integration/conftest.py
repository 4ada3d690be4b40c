"""What the tests of streams start from."""

import pytest
from streams import make_topic

from nocturne.store.collections import ensure_collections


@pytest.fixture
def topic(kafka):
    """A topic of the test's own."""
    return make_topic(kafka)


@pytest.fixture
def tracks(database):
    """An empty collection of tracks, with its validator."""
    ensure_collections(database)
    return database["tracks"]
