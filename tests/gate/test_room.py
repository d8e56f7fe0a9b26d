"""All bodies that a worker holds at once are bounded in bytes; what finds no room is told so."""

import json
import select
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPResponse
from pathlib import Path

import pytest
import requests

from tests.servers import PATIENCE, ROW, Server, await_, running

LARGE = 100_000  # bytes of the largest body, and of all bodies together
JSON = {"Content-Type": "application/json"}
PATHS = ("/predict", "/explain", "/v1/models/calories:predict", "/v2/models/calories/infer")


@pytest.fixture(scope="module", params=["loop"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, shipped_root: Path
) -> Iterator[Server]:
    with running(
        tmp_path_factory.mktemp("room"),
        workers=1,
        server=request.param,
        registry=shipped_root,
        max_body_bytes=LARGE,
        max_bodies_bytes=LARGE,
    ) as server:
        yield server


@contextmanager
def begun(server: Server, framing: bytes, sent: bytes = b"") -> Iterator[socket.socket]:
    """A request whose body does not end, and which has taken its room."""
    head = b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
    with ExitStack() as stack:
        tries: list[socket.socket] = []

        def taken() -> bool:
            """Whether all others are refused and this one is not: one before it may have stayed."""
            client = socket.create_connection(("127.0.0.1", server.port), PATIENCE)
            tries.append(stack.enter_context(client))
            client.sendall(head + framing + b"\r\n\r\n" + sent)
            refused = ask(server, LARGE).status_code == 503
            if refused and not select.select([client], [], [], 0)[0]:
                return True
            client.close()
            return False

        await_(taken, "it has taken its room")
        yield tries[-1]


def ask(server: Server, size: int, path: str = "/predict") -> requests.Response:
    """One row, in a body of so many bytes."""
    body = json.dumps(ROW).encode().ljust(size)
    return requests.post(server.url + path, body, headers=JSON, timeout=PATIENCE)


def status(client: socket.socket) -> int:
    with HTTPResponse(client) as answer:
        answer.begin()
        answer.read()
        return answer.status


@pytest.mark.parametrize("path", PATHS)
def test_a_large_body_without_room_gets_503_in_its_dialect_and_when_to_come_again(
    server: Server, path: str
) -> None:
    with begun(server, b"Content-Length: %d" % LARGE):
        answer = ask(server, LARGE, path)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    kind = "application/json" if path.startswith("/v") else "application/problem+json"
    assert answer.headers["Content-Type"] == kind
    assert "no room for a body as large" in answer.text


def test_a_row_needs_no_room(server: Server) -> None:
    with begun(server, b"Content-Length: %d" % LARGE):
        assert ask(server, 16_384).status_code == 200


# Granian hands on a body when it is whole.
@pytest.mark.parametrize("server", ["loop"], indirect=True)
def test_a_body_in_chunks_takes_room_as_it_comes(server: Server) -> None:
    chunk = b"%x\r\n%s\r\n" % (LARGE - 100, b" " * (LARGE - 100))
    with begun(server, b"Transfer-Encoding: chunked", chunk):
        assert ask(server, 1000).status_code == 200


def test_there_is_room_again_when_a_body_was_answered(server: Server) -> None:
    with begun(server, b"Content-Length: %d" % LARGE) as client:
        client.sendall(json.dumps(ROW).encode().ljust(LARGE))
        assert status(client) == 200
    await_(lambda: ask(server, LARGE).status_code == 200, "there is room")


def test_there_is_room_again_when_a_body_breaks_off(server: Server) -> None:
    with begun(server, b"Content-Length: %d" % LARGE):
        pass
    await_(lambda: ask(server, LARGE).status_code == 200, "there is room")


def test_the_largest_body_finds_room_whatever_the_setting(
    tmp_path: Path, shipped_root: Path
) -> None:
    with running(tmp_path, workers=1, registry=shipped_root, max_bodies_bytes=1024) as server:
        assert ask(server, 8 * 2**20).status_code == 200
