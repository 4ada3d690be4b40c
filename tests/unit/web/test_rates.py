"""How many requests a client may still make."""

from nocturne.web import rates
from nocturne.web.rates import RateLimit


def test_each_client_has_its_own_requests(monkeypatch):
    limit = RateLimit(2)
    assert [limit.take("a").requests for _ in range(3)] == [1, 0, -1]
    assert limit.take("b").requests == 1


def test_a_new_minute_begins_anew(monkeypatch):
    now = 1000.0
    monkeypatch.setattr(rates, "monotonic", lambda: now)
    limit = RateLimit(1)
    assert limit.take("a") == (0, 60)
    now += 59.4
    assert limit.take("a") == (-1, 1)
    now += 0.7
    assert limit.take("a") == (0, 60)


def test_a_crowd_of_addresses_does_not_fill_the_memory(monkeypatch):
    monkeypatch.setattr(rates, "MOST_CLIENTS", 3)
    limit = RateLimit(2)
    for number in range(10):
        limit.take(str(number))
    assert len(limit.taken) == 4
    assert limit.take("another").requests < 0
    assert limit.take("1").requests == 0
