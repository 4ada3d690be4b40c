"""The titles of the live version are read without holding up who asks for lists."""

from threading import Event, Thread

import pytest

from nocturne.recommend.titles import Track
from nocturne.web import site
from nocturne.web.site import TRACKS_AT_ONCE, LiveTitles

PARTS = [[Track("1", "Blue", "Ann")], [Track("2", "Green", "Ben")], [Track("3", "Red", "Cy")]]


class Library:
    """What `Published` and its catalogue do for titles; `meanwhile` happens between two parts."""

    def __init__(self):
        self.version = "v1"
        self.kept = []
        self.asked = []
        self.meanwhile = lambda: None
        self.catalogue = self

    def look(self):
        return self.version

    def read_tracks(self, version, at_once):
        self.asked.append((version, at_once))
        for part in PARTS if version == "v1" else PARTS[:1]:
            yield part
            self.meanwhile()

    def keep_names(self, version, tracks):
        self.kept += [(version, track.track_id) for track in tracks]


@pytest.fixture
def rests(monkeypatch):
    """How long was rested, each time."""
    found = []
    monkeypatch.setattr(site, "sleep", found.append)
    return found


def test_ahead_of_need_they_are_read_in_parts_with_rests(rests):
    library = Library()
    titles = LiveTitles(library)
    titles.warm_up()
    assert library.asked == [("v1", TRACKS_AT_ONCE)]
    assert library.kept == [("v1", "1"), ("v1", "2"), ("v1", "3")]
    assert len(rests) == len(PARTS)
    assert [track.track_id for track in titles.get().complete("gre", 1)] == ["2"]
    assert library.asked == [("v1", TRACKS_AT_ONCE)]


def test_who_waits_for_them_waits_for_no_rests(rests):
    titles = LiveTitles(Library())
    assert [track.track_id for track in titles.get().complete("red", 1)] == ["3"]
    assert rests == []


def test_who_comes_while_they_are_read_ends_the_rests(rests):
    library, begun, waiting = Library(), Event(), Event()
    titles = LiveTitles(library)

    def pause():
        begun.set()
        assert waiting.wait(5)

    library.meanwhile = pause
    reader = Thread(target=titles.warm_up)
    reader.start()
    assert begun.wait(5)
    asker = Thread(target=titles.get)
    asker.start()
    while not titles.hurried:
        pass
    waiting.set()
    reader.join()
    asker.join()
    assert len(rests) == 1
    assert len(library.asked) == 1


def test_the_first_search_after_a_rollback_is_of_the_version_that_is_live(rests):
    library = Library()
    titles = LiveTitles(library)
    for version, found in [("v1", ["2"]), ("v2", []), ("v1", ["2"]), ("v2", [])]:
        library.version = version
        assert [track.track_id for track in titles.get().complete("green", 1)] == found


def test_versions_that_change_quickly_are_not_mixed(rests):
    """While one is read ahead another goes live: who asks then gets the latter's."""
    library, begun, changed = Library(), Event(), Event()
    titles = LiveTitles(library)

    def pause():
        begun.set()
        assert changed.wait(5)

    library.meanwhile = pause
    reader = Thread(target=titles.warm_up)
    reader.start()
    assert begun.wait(5)
    library.version = "v2"
    changed.set()
    assert titles.get().complete("green", 1) == []
    reader.join()
    assert titles.get().complete("green", 1) == []
    assert [version for version, _ in library.asked] == ["v1", "v2"]
