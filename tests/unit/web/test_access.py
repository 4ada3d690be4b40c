"""Which names and pages may lead to a server on loopback."""

import pytest

from nocturne.web.access import is_loopback, require_known_host, require_own_page
from nocturne.web.problems import Problem

HERE = "127.0.0.1:5000"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback(host):
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "music.example", ""])  # noqa: S104
def test_not_loopback(host):
    assert not is_loopback(host)


@pytest.mark.parametrize("host", [HERE, "localhost", "[::1]:5000", "127.0.0.1"])
def test_names_of_this_machine_lead_here(host):
    require_known_host(host)


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "", "[", "[::1", "\xff"]
)
def test_other_names_do_not(host):
    with pytest.raises(Problem) as caught:
        require_known_host(host)
    assert caught.value.status == 421


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_reading_is_everybodys(method):
    require_own_page(method, "http://evil.example", HERE)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_only_our_own_pages_act(method):
    require_own_page(method, f"http://{HERE}", HERE)
    for origin in ("http://evil.example", "null", "http://127.0.0.1:5001", "http://[", ""):
        with pytest.raises(Problem) as caught:
            require_own_page(method, origin, HERE)
        assert caught.value.status == 403
