"""Who a page is for."""

import pytest
from starlette.requests import Request
from starlette.responses import Response

from nocturne.web.pages.guests import find_listener, remember
from nocturne.web.problems import Problem


def ask(query="", cookie="", root_path=""):
    headers = [(b"cookie", cookie.encode("latin-1"))] if cookie else []
    return Request(
        {"type": "http", "query_string": query.encode(), "headers": headers, "path": "/",
         "root_path": root_path, "scheme": "http", "server": ("127.0.0.1", 80)}
    )  # fmt: skip


def test_the_address_comes_before_the_cookie():
    assert find_listener(ask("listener=ann", "listener=bob")) == "ann"
    assert find_listener(ask("", "listener=bob")) == "bob"


@pytest.mark.parametrize("cookie", ["", "listener=", "listener=a%2Fb", "listener=" + "a" * 201])
def test_whoever_has_no_name_is_a_guest_of_their_own(cookie):
    first, second = find_listener(ask("", cookie)), find_listener(ask("", cookie))
    assert first.startswith("guest-")
    assert len(first) == len("guest-") + 8
    assert first != second


@pytest.mark.parametrize("name", ["", "%20", "a/b", "a%00b", "a%0Ab", "a" * 201])
def test_a_name_that_cannot_be_one_is_refused(name):
    with pytest.raises(Problem) as caught:
        find_listener(ask(f"listener={name}"))
    assert caught.value.status == 400


@pytest.mark.parametrize("name", ["ann", "Zoë; path=", "ليلى", 'a b,c="d"', "x" * 200])
def test_a_browser_remembers_any_name(name):
    answer = Response()
    remember(ask(root_path="/nocturne"), answer, name)
    set_cookie = answer.headers["set-cookie"]
    pair, *facts = set_cookie.split("; ")
    assert {"Path=/nocturne", "SameSite=lax"} <= set(facts)
    assert find_listener(ask("", pair)) == name
