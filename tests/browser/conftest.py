"""A browser, and the web app with its live recommender, as programs over a library of the tests."""

import shutil
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from made_library import publish_library
from running_site import Served, serving

CHROMIUM = shutil.which("chromium")
ARGUMENTS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--autoplay-policy=no-user-gesture-required", "--mute-audio"),
)
PATIENCE_MS = 30_000


@pytest.fixture(scope="module")
def chromium() -> Iterator:
    """Of a module: while Playwright is open, its thread has an event loop that others trip over."""
    if CHROMIUM is None:
        pytest.skip("chromium is not installed (.ci/packages)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def served(servers, chromium, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """On a port, with a database and a home of their own."""
    from nocturne.store.collections import connect

    folder: Path = tmp_path_factory.mktemp("pages")
    name = f"test_{uuid.uuid4().hex[:12]}"
    ann, bob = (f"{who}-{uuid.uuid4().hex[:6]}" for who in ("ann", "bob"))
    variables = {
        "NOCTURNE_HOME": str(folder),
        "NOCTURNE_MONGO_DATABASE": name,
        "NOCTURNE_MONGO_URI": servers.mongo_uri,
        "NOCTURNE_KAFKA_BOOTSTRAP": servers.kafka_bootstrap,
    }
    with connect(servers) as client:
        publish_library(client[name], folder / "audio", folder / "models", {ann: 12, bob: 20})
        with serving(variables) as address:
            site = Served(address, ann, bob, variables)
            site.start_recommender()
            yield site
            site.end_recommender(signal.SIGTERM)
        client.drop_database(name)


@pytest.fixture
def browse(chromium, served: Served) -> Iterator:
    """Opens a browser of a listener's own; nothing may go wrong in any of them, or leave the
    server.
    """
    contexts, wrong = [], []

    def watch(request) -> None:
        if urlsplit(request.url).netloc != urlsplit(served.address).netloc:
            wrong.append(f"asked for {request.url}")

    def hear(said) -> None:
        """What the policy of contents forbids is an error; so is an answer, which tests ask for."""
        if said.type == "error" and not said.text.startswith("Failed to load resource"):
            wrong.append(said.text)

    def open_browser(**options):
        context = chromium.new_context(**options)
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("request", watch)
        page.on("pageerror", lambda error: wrong.append(f"failed: {error}"))
        page.on("dialog", lambda dialog: (wrong.append(dialog.message), dialog.dismiss()))
        page.on("console", hear)
        return page

    yield open_browser
    for context in contexts:
        context.close()
    assert not wrong
