"""The web app of a test, in this process, on the run's own servers."""

from contextlib import contextmanager

from starlette.testclient import TestClient

from nocturne.web.access import TokenAccess
from nocturne.web.app import create_app
from nocturne.web.site import open_site

HERE = ("127.0.0.1", 50000)
ELSEWHERE = ("192.0.2.7", 50000)


def make_app(servers, kafka, database, make_access=None, hosted=False, **changes):
    settings = servers.model_copy(
        update={"mongo_database": database.name, "web_requests": 100_000} | changes
    )
    return create_app(
        lambda: open_site(settings, {"bootstrap.servers": kafka["bootstrap.servers"]}),
        make_access or (lambda site: TokenAccess(site.database, settings.web_host)),
        settings,
        hosted=hosted,
    )


@contextmanager
def open_client(app, client=HERE, **options):
    base = options.pop("base_url", "http://127.0.0.1:5000")
    with TestClient(app, base_url=base, client=client, **options) as opened:
        yield opened
