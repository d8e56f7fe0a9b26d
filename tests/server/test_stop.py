"""Being told to stop, and losing processes: what the real servers do then."""

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from http.client import HTTPConnection
from pathlib import Path

import pytest
import requests

from tests.server.test_server import JSON, open_half_a_request
from tests.servers import PATIENCE, ROW, Server, await_, running

LONG = 600  # seconds to leave: never over in a test, which tells the server a second time
# Seconds that a busy machine may take to end them; half of what GRACEFUL_SECONDS is by default.
SLACK = 15


def kept_connection(server: Server) -> HTTPConnection:
    connection = HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    assert not ask(connection)
    return connection


def ask(connection: HTTPConnection) -> bool:
    """Predict over a kept connection; whether the answer closed it."""
    connection.request("POST", "/predict", json.dumps(ROW), JSON)
    response = connection.getresponse()
    response.read()
    assert response.status == 200
    return response.will_close


@pytest.fixture
def leaving(tmp_path: Path, shipped_root: Path) -> Iterator[tuple[Server, bool]]:
    """A server that was told to stop; and whether a connection from before was closed by it."""
    with running(tmp_path, workers=2, registry=shipped_root, drain_seconds=LONG) as server:
        connection = kept_connection(server)
        server.process.terminate()
        await_(lambda: not server.answers(), "the readiness fails")
        closed = False
        for _ in range(3):  # each worker is told for itself
            closed = closed or ask(connection)
        yield server, closed


def test_a_leaving_server_is_not_ready_answers_all_and_closes_connections(
    leaving: tuple[Server, bool],
) -> None:
    server, closed = leaving
    assert closed
    assert server.predict().status_code == 200
    for path in ("/readyz", "/v2/health/ready"):
        await_(lambda path=path: readiness(server, path) == {503}, "no worker is ready")  # type: ignore[misc]
    assert "about to stop" in requests.get(f"{server.url}/readyz", timeout=PATIENCE).text
    assert requests.get(f"{server.url}/healthz", timeout=PATIENCE).ok
    assert server.stop() == 0  # told a second time


def readiness(server: Server, path: str) -> set[int]:
    answers = (requests.get(f"{server.url}{path}", timeout=PATIENCE) for _ in range(8))
    return {answer.status_code for answer in answers}


def test_a_leaving_server_stops_by_itself_after_drain_seconds(
    tmp_path: Path, shipped_root: Path
) -> None:
    with running(tmp_path, workers=2, registry=shipped_root, drain_seconds=1) as server:
        assert 1 <= seconds_to_stop(server) < 1 + SLACK


def test_a_client_that_stalls_holds_the_stop_for_graceful_seconds_only(
    tmp_path: Path, shipped_root: Path
) -> None:
    with running(tmp_path, workers=2, registry=shipped_root, graceful_seconds=1) as server:
        connection, _ = open_half_a_request(server.port)
        with connection:
            assert seconds_to_stop(server) < 1 + SLACK


def test_a_client_that_stalls_holds_a_leaving_server_for_no_longer(
    tmp_path: Path, shipped_root: Path
) -> None:
    with running(
        tmp_path,
        workers=2,
        registry=shipped_root,
        drain_seconds=1,
        graceful_seconds=1,
    ) as server:
        connection, _ = open_half_a_request(server.port)
        with connection:
            assert 1 <= seconds_to_stop(server) < 2 + SLACK


def seconds_to_stop(server: Server) -> float:
    began = time.monotonic()
    assert server.stop() == 0
    return time.monotonic() - began


def test_who_connects_while_gunicorn_stops_is_answered_or_refused(
    tmp_path: Path, shipped_root: Path
) -> None:
    with running(tmp_path, workers=2, registry=shipped_root) as server:
        held, rest = open_half_a_request(server.port)
        server.process.terminate()
        assert refusal(server)
        with held:
            held.sendall(rest)
            assert held.recv(64).startswith(b"HTTP/1.1 200")
        assert server.process.wait(PATIENCE) == 0


def test_all_who_wait_to_be_let_in_when_gunicorn_stops_are_answered(
    tmp_path: Path, shipped_root: Path
) -> None:
    with (
        running(tmp_path, workers=1, registry=shipped_root) as server,
        ExitStack() as stack,
    ):
        [worker] = server.workers()
        os.kill(worker, signal.SIGSTOP)
        waiting = [HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE) for _ in range(9)]
        for connection in waiting:
            stack.enter_context(closing(connection))
            connection.request("POST", "/predict", json.dumps(ROW), JSON)
        server.process.terminate()
        os.kill(worker, signal.SIGTERM)  # so that it is told before it can let anyone in
        os.kill(worker, signal.SIGCONT)
        assert [connection.getresponse().status for connection in waiting] == [200] * 9


def refusal(server: Server) -> bool:
    """Connect again and again: whether nothing but an answer came until nobody was let in."""
    while True:
        try:
            connection = HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
            connection.connect()
        except ConnectionRefusedError:
            return True
        with closing(connection):
            ask(connection)


def test_a_new_worker_that_is_killed_at_once_is_replaced(
    tmp_path: Path, shipped_root: Path
) -> None:
    with running(tmp_path, workers=1, registry=shipped_root) as server:
        for _ in range(3):
            before = server.workers()
            os.kill(before[0], signal.SIGKILL)
            await_(lambda gone=before: server.workers() not in ([], gone), "another is there")  # type: ignore[misc]
        await_(server.answers, "the service answers")
        assert server.stop() == 0


def test_workers_end_when_the_main_process_is_killed(tmp_path: Path, shipped_root: Path) -> None:
    with running(tmp_path, workers=3, registry=shipped_root) as server:
        workers = server.workers()
        server.process.kill()
        await_(lambda: not any(map(alive, workers)), "the workers have ended")


def alive(pid: int) -> bool:
    """Whether the process runs: one that has ended may wait for init to bury it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
