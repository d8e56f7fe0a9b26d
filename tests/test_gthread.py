"""What gunicorn's worker does with more requests than it may hold, by a real gunicorn."""

import http.client
import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import requests

from tests.serving import PATIENCE, ROW, Server, await_, running

HALF = (
    b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b"Expect: 100-continue\r\nContent-Length: 4\r\n\r\n"
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, shipped_root: Path) -> Iterator[Server]:
    """One request at a time, and a second thread for those who watch."""
    folder = tmp_path_factory.mktemp("gthread")
    with running(folder, workers=1, threads=2, max_in_flight=1, registry=shipped_root) as server:
        yield server


@contextmanager
def half_a_request(server: Server) -> Iterator[socket.socket]:
    """A request in a thread that waits for its body."""
    with ExitStack() as stack:
        tries: list[socket.socket] = []

        def begun() -> bool:
            client = socket.create_connection(("127.0.0.1", server.port))
            tries.append(stack.enter_context(client))
            client.sendall(HALF)
            return client.recv(64).startswith(b"HTTP/1.1 100")

        # An answer is read before the worker has counted it as ended.
        await_(begun, "there is room")
        yield tries[-1]


@pytest.fixture
def full(server: Server) -> Iterator[Server]:
    """The server with as many requests as it may hold."""
    with half_a_request(server):
        yield server


def ask(server: Server, path: str) -> requests.Response:
    return requests.post(f"{server.url}{path}", json=ROW, timeout=PATIENCE)


def test_one_more_request_than_the_bound_is_refused_at_once(full: Server) -> None:
    answer = ask(full, "/predict?model=deep")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "1"
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["X-Request-Id"]


def test_who_is_refused_asks_again_over_the_same_connection(server: Server) -> None:
    client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)

    def asked() -> int:
        client.request("POST", "/predict", json.dumps(ROW), {"Content-Type": "application/json"})
        answer = client.getresponse()
        answer.read()
        return answer.status

    with half_a_request(server):
        assert asked() == 503
        connection = client.sock
        assert asked() == 503
    await_(lambda: asked() == 200, "there is room")
    assert client.sock is connection
    client.close()


def test_a_connection_whose_request_did_not_end_is_closed_after_the_refusal(full: Server) -> None:
    with socket.create_connection(("127.0.0.1", full.port), PATIENCE) as client:
        client.sendall(HALF)
        with client.makefile("rb") as answer:
            assert b"\r\nConnection: close\r\n" in answer.read()  # which ends with its end


@pytest.mark.parametrize("path", ["/v1/models/calories:predict", "/v2/models/calories/infer"])
def test_a_refusal_is_worded_in_the_dialect_of_the_path(full: Server, path: str) -> None:
    answer = ask(full, path)
    assert answer.status_code == 503
    assert list(answer.json()) == ["error"]


def test_health_and_metrics_answer_when_there_is_no_room(full: Server) -> None:
    for path in ("/healthz", "/readyz", "/metrics"):
        assert requests.get(full.url + path, timeout=PATIENCE).status_code == 200


def test_what_is_refused_is_counted(full: Server) -> None:
    assert ask(full, "/predict").status_code == 503
    assert 'status="503"' in requests.get(f"{full.url}/metrics", timeout=PATIENCE).text


def test_a_connection_that_says_nothing_yet_is_refused_when_it_asks(full: Server) -> None:
    with socket.create_connection(("127.0.0.1", full.port)) as client:
        assert ask(full, "/predict").status_code == 503  # so the other was accepted before
        client.sendall(HALF)
        assert client.recv(64).startswith(b"HTTP/1.1 503")


def test_a_client_that_goes_away_is_no_trouble(full: Server) -> None:
    socket.create_connection(("127.0.0.1", full.port)).close()
    assert ask(full, "/predict").status_code == 503


def test_there_is_room_again_when_a_request_has_ended(server: Server) -> None:
    with half_a_request(server) as client:
        assert ask(server, "/predict").status_code == 503
        client.sendall(b"null")
        assert client.recv(64).startswith(b"HTTP/1.1 4")
    await_(lambda: ask(server, "/predict").ok, "there is room")
