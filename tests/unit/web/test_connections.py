"""Clients that are slow or many, at a real uvicorn."""

import resource
import socket
import threading
import time

import pytest
import uvicorn

from nocturne.web.connections import GuardedProtocol, limit_connections, watch_clients

SECONDS = 10
WHOLE = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"


async def answer(scope, receive, send):
    """A body is read to its end."""
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body"})


class Impatient(GuardedProtocol):
    request_seconds = 0.3
    most_connections = 20


@pytest.fixture(scope="module")
def port():
    listening = socket.create_server(("127.0.0.1", 0))
    watch_clients(listening)
    server = uvicorn.Server(
        uvicorn.Config(answer, http=Impatient, log_config=None, lifespan="off", access_log=False)
    )
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    yield listening.getsockname()[1]
    server.should_exit = True
    thread.join(SECONDS)
    listening.close()


def open_client(port):
    return socket.create_connection(("127.0.0.1", port), SECONDS)


def read_all(client):
    """What comes until the server closes."""
    said = b""
    try:
        while part := client.recv(4096):
            said += part
    except ConnectionResetError:
        pass
    return said


@pytest.mark.parametrize(
    ("sent", "answered"),
    [
        (b"", b"408"),
        (b"GET", b"408"),
        (b"GET / HTTP/1.1\r\nhost: x\r\n", b"408"),
        (b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nabc", b""),
        (b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab", b""),
        (WHOLE + b"GET / HT", b"204"),
    ],
    ids=["nothing", "a word", "half a header", "half a body", "half a chunk", "a second one"],
)
def test_who_sends_no_whole_request_in_time_is_dropped(port, sent, answered):
    with open_client(port) as client:
        begun = time.monotonic()
        client.sendall(sent)
        said = read_all(client)
        assert time.monotonic() - begun < SECONDS / 2
    assert answered in said


def send_slowly(client):
    for sign in WHOLE * 100:
        client.sendall(bytes([sign]))
        time.sleep(0.05)


def test_who_sends_one_byte_now_and_then_is_dropped_too(port):
    with open_client(port) as client:
        begun = time.monotonic()
        with pytest.raises(OSError, match=r"pipe|reset"):
            send_slowly(client)
        assert time.monotonic() - begun < SECONDS / 2


def test_more_than_there_may_be_are_turned_away_and_the_others_served(port, caplog):
    clients = [open_client(port) for _ in range(Impatient.most_connections + 30)]
    for client in clients:
        client.close()
    with open_client(port) as client:
        client.sendall(WHOLE)
        assert b"204" in client.recv(4096)


def test_as_many_files_as_the_system_allows_are_used():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        protocol = limit_connections()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        assert soft >= before[0]
        assert soft // 2 <= protocol.most_connections < soft
        assert hard == before[1]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
