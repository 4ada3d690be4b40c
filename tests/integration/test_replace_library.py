"""A library that a command names, beside the one that is live."""

from pathlib import Path

import pytest
from made_versions import build

from nocturne.errors import Misuse
from nocturne.nightly import ask_to_replace
from nocturne.nights import night_of, parse_day
from nocturne.stack.services import find_services
from nocturne.steps.library import name_library
from nocturne.store.collections import ensure_collections
from nocturne.store.versions import note_version, publish

pytestmark = pytest.mark.integration
LIVE = "2026-11-19.a"
OURS = (Path("/music"), Path("/metadata"))
OTHER = (Path("/three"), Path("/metadata"))


@pytest.fixture
def settings(servers, database, tmp_path):
    ensure_collections(database)
    return find_services(servers).model_copy(update={"mongo_database": database.name})


@pytest.fixture
def live(database, settings):
    build(database, LIVE)
    note_version(database, LIVE, {"library": name_library(*OURS)})
    publish(database.client, database.name, LIVE)


def ask(settings, folders, day="2026-11-20", answer=None):
    asked = []

    def confirm(question):
        asked.append(question)
        return answer

    return ask_to_replace(settings, *folders, night_of(parse_day(day)), confirm), asked


def test_another_library_is_asked_about(settings, live):
    allowed, asked = ask(settings, OTHER, answer=True)
    assert allowed
    assert LIVE in asked[0]
    with pytest.raises(Misuse, match=f"{LIVE} of another library is live.*--yes"):
        ask(settings, OTHER, answer=False)


@pytest.mark.parametrize(("folders", "day"), [(OURS, "2026-11-20"), (OTHER, "2026-11-18")])
def test_the_same_library_and_an_older_day_are_not(settings, live, folders, day):
    assert ask(settings, folders, day) == (False, [])


def test_the_first_library_is_not(settings):
    assert ask(settings, OTHER) == (False, [])
