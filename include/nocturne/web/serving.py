"""Running the app, the live recommender and simulated listeners as programs."""

import socket
import sys
from collections.abc import Callable
from contextlib import closing
from threading import Event

import uvicorn

from nocturne.errors import BadInput, Misuse
from nocturne.live.desk import open_desk
from nocturne.live.recommender import LiveRecommender
from nocturne.live.simulation import Simulator
from nocturne.settings import Settings
from nocturne.stack.ports import describe_owner
from nocturne.store.collections import connect
from nocturne.store.tokens import has_tokens
from nocturne.stream.activity import ActivitySender
from nocturne.stream.connection import kafka_config
from nocturne.streaming import require_both_answer
from nocturne.web.access import TokenAccess, is_loopback
from nocturne.web.app import create_app
from nocturne.web.connections import limit_connections, watch_clients
from nocturne.web.site import open_site

Say = Callable[[str], None]
BACKLOG = 2048
# Streams never end by themselves.
LAST_WORDS_SECONDS = 2
# A thread that looks lists up, or reads titles, gives way to the event loop after so long. Python's
# own 5 ms are waited for several times in one answer.
TURN_SECONDS = 0.0005


def serve(settings: Settings, say: Say) -> None:
    """Until interrupted. Raises Misuse if others could reach it and there are no tokens."""
    require_tokens(settings)
    sys.setswitchinterval(TURN_SECONDS)
    kafka = kafka_config(settings)
    app = create_app(
        lambda: open_site(settings, kafka),
        lambda site: TokenAccess(site.database, settings.web_host),
        settings,
    )
    config = uvicorn.Config(
        app,
        host=settings.web_host,
        port=settings.web_port,
        http=limit_connections(),
        log_config=None,
        timeout_graceful_shutdown=LAST_WORDS_SECONDS,
    )
    with closing(open_socket(settings)) as listening:
        host, port = listening.getsockname()[:2]
        say(f"the pages: http://{f'[{host}]' if ':' in host else host}:{port}")
        uvicorn.Server(config).run([listening])


def open_socket(settings: Settings) -> socket.socket:
    """Raises BadInput, naming the owner, if the port is taken."""
    family = socket.AF_INET6 if ":" in settings.web_host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    watch_clients(listening)
    try:
        listening.bind((settings.web_host, settings.web_port))
        # Who connects from now on waits until the app is there.
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        owner = describe_owner(settings.web_port)
        raise BadInput(
            f"The web app cannot listen on {settings.web_host}:{settings.web_port}:"
            f" {error.strerror} ({owner} has it). Give another port: --port or NOCTURNE_WEB_PORT."
        ) from error
    return listening


def require_tokens(settings: Settings) -> None:
    if is_loopback(settings.web_host):
        return
    with connect(settings) as client:
        if not has_tokens(client[settings.mongo_database]):
            raise Misuse(
                f"On {settings.web_host} others can reach the web app, and there are no tokens"
                " yet: `./nocturne tokens NAME --listener LISTENER` makes one. Or listen on"
                " 127.0.0.1."
            )


def recommend_live(settings: Settings, stopped: Event, say: Say) -> int:
    """Until stopped; how many lists were made. Raises ServiceUnavailable without servers."""
    require_both_answer(settings)
    with connect(settings) as client:
        database = client[settings.mongo_database]
        desk = open_desk(database, settings)
        say(f"following user_activity, recommending from {desk.published.live()}")
        return LiveRecommender(kafka_config(settings), database, desk).follow(stopped)


def simulate(settings: Settings, listeners: int, rate: float, seed: int, stopped: Event) -> int:
    """Until stopped; how many events were sent. Raises ServiceUnavailable without servers."""
    require_both_answer(settings)
    with connect(settings) as client, ActivitySender(kafka_config(settings)) as sender:
        desk = open_desk(client[settings.mongo_database], settings)
        simulator = Simulator(desk, sender)
        simulator.start(listeners, rate, seed)
        stopped.wait()
        simulator.stop()
        return simulator.sent
