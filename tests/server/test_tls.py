"""TLS: a handshake is a connection, and takes no longer than a head may."""

import json
import logging
import socket
import ssl
import struct
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest

from tests.gate.test_secured import Identity, identity
from tests.server.tiny import Served, post, received, served
from tests.servers import await_


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return identity(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def server(own: Identity) -> Iterator[Served]:
    with served(tls_certificate=own.certificate, tls_key=own.key, header_seconds=0.5) as server:
        yield server


def secured(server: Served, own: Identity) -> ssl.SSLSocket:
    trusting = ssl.create_default_context(cafile=str(own.certificate))
    return trusting.wrap_socket(server.connect(), server_hostname="127.0.0.1")


def test_requests_are_answered_one_after_another(server: Served, own: Identity) -> None:
    with closing(secured(server, own)) as client:
        for body in (b"a", b"b" * 100_000):
            client.sendall(post("/echo", body))
        client.sendall(post("/echo", b"c", b"Connection: close"))
        told = received(client)
    bodies = [part.partition(b"\r\n\r\n")[2] for part in told.split(b"HTTP/1.1 200 OK\r\n")[1:]]
    assert [json.loads(body)["body"][:1] for body in bodies] == ["a", "b", "c"]


def test_a_large_answer_comes_whole(server: Served, own: Identity) -> None:
    with closing(secured(server, own)) as client:
        client.sendall(post("/big?5000000", b"", b"Connection: close"))
        assert len(received(client).partition(b"\r\n\r\n")[2]) == 5_000_000


def test_what_is_refused_is_read_by_who_still_sends(server: Served, own: Identity) -> None:
    with closing(secured(server, own)) as client:
        client.sendall(post("/echo", b"a" * 1_000_000, b"X-Refuse: yes"))
        assert received(client).startswith(b"HTTP/1.1 401 ")


def test_who_does_not_shake_hands_is_a_connection_and_is_closed(server: Served) -> None:
    with server.connect() as client:
        await_(lambda: server.connections() == 1, "it counts")
        assert received(client) == b""
    await_(lambda: server.connections() == 0, "it counts no more")


HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"


@pytest.mark.parametrize(
    "sent",
    [b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"\x16\x03\x01\x00\x05hello", HELLO, b""],
    ids=["HTTP", "no hello", "half of one", "nothing"],
)
@pytest.mark.parametrize("resets", [False, True])
def test_who_speaks_no_tls_is_closed_and_leaves_a_line_at_most(
    server: Served, caplog: pytest.LogCaptureFixture, sent: bytes, resets: bool
) -> None:
    with caplog.at_level(logging.DEBUG), server.connect() as client:
        caplog.clear()
        client.sendall(sent)
        if resets:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
        else:
            assert b"HTTP" not in received(client)
        server.stop()  # when all that were let in are gone
    assert len(caplog.records) <= 1
    assert all(line.levelno == logging.DEBUG and not line.exc_info for line in caplog.records)


def test_who_trusts_nobody_leaves_a_line_at_most(
    server: Served, own: Identity, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG), server.connect() as client:
        caplog.clear()
        with pytest.raises(ssl.SSLCertVerificationError):
            ssl.create_default_context().wrap_socket(client, server_hostname="127.0.0.1")
        await_(lambda: server.connections() == 0, "it is gone")
    assert len(caplog.records) <= 1
    assert all(line.levelno == logging.DEBUG and not line.exc_info for line in caplog.records)


def test_who_shakes_hands_slowly_makes_room(own: Identity) -> None:
    keys = {"tls_certificate": own.certificate, "tls_key": own.key}
    with served(**keys, header_seconds=3600, max_connections=2) as server, ExitStack() as stack:
        for _ in range(4):
            stack.enter_context(server.connect()).sendall(HELLO)
        with closing(secured(server, own)) as client:
            client.sendall(post("/echo", b"a", b"Connection: close"))
            assert received(client)


def test_who_shakes_hands_for_ever_keeps_no_stop(own: Identity) -> None:
    keys = {"tls_certificate": own.certificate, "tls_key": own.key}
    with served(**keys, header_seconds=3600) as server, server.connect():
        await_(lambda: server.connections() == 1, "it is there")
        server.stop()
