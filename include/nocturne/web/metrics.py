"""What Prometheus is told."""

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
PAGES = Gauge("nocturne_open_streams", "Open streams of recommendations", registry=REGISTRY)
EVENTS = Counter("nocturne_events", "Events taken from clients", registry=REGISTRY)
LIMITED = Counter("nocturne_limited", "Requests refused by the rate limit", registry=REGISTRY)
