"""What Prometheus is told."""

from functools import lru_cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY = CollectorRegistry()
REQUESTS = Counter(
    "nocturne_requests", "Requests by route, method and status",
    ["route", "method", "status"], registry=REGISTRY,
)  # fmt: skip
SECONDS = Histogram(
    "nocturne_request_seconds", "Seconds until an answer began, by route", ["route"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.015, 0.025, 0.04, 0.1, 0.25, 1, 5), registry=REGISTRY,
)  # fmt: skip
OPEN_STREAMS = Gauge("nocturne_open_streams", "Open streams of recommendations", registry=REGISTRY)
EVENTS = Counter("nocturne_events", "Events taken from clients", registry=REGISTRY)
LIMITED = Counter("nocturne_limited", "Requests refused by the rate limit", registry=REGISTRY)

# Looking a label up takes longer than counting; there are only so many routes and answers.
find_counter = lru_cache(maxsize=2_000)(REQUESTS.labels)
find_timer = lru_cache(maxsize=500)(SECONDS.labels)


def count_request(route: str, method: str, status: int) -> None:
    find_counter(route, method, status).inc()


def time_request(route: str, seconds: float) -> None:
    """Until the answer began."""
    find_timer(route).observe(seconds)
