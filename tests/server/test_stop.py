"""Being told to stop, and losing processes: what a real server does then."""

import os
import signal
import time
from contextlib import ExitStack, closing
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

import requests

from tests.servers import BODY, JSON, PATIENCE, Server, await_, open_half_a_request, running, runs

LONG = 600  # seconds to leave: never over in a test, which tells the server a second time
# Seconds that a busy machine may take to end them; half of what GRACEFUL_SECONDS is by default.
SLACK = 15


def connected(server: Server) -> HTTPConnection:
    connection = HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    connection.connect()
    return connection


def ask(connection: HTTPConnection) -> bool:
    """Predict over a kept connection; whether the answer closed it."""
    connection.request("POST", "/predict", BODY, JSON)
    response = connection.getresponse()
    response.read()
    assert response.status == 200
    return response.will_close


def test_a_leaving_server_is_not_ready_answers_all_and_closes_connections(
    tmp_path: Path, shipped_root: Path
) -> None:
    with (
        running(tmp_path, workers=2, registry=shipped_root, drain_seconds=LONG) as server,
        closing(connected(server)) as before,
    ):
        assert not ask(before)
        server.process.terminate()
        for path in ("/readyz", "/v2/health/ready"):
            await_(lambda path=path: readiness(server, path) == {503}, "no worker is ready")  # type: ignore[misc]
        await_(lambda: ask(before), "an answer closes its connection")
        assert server.predict().status_code == 200
        assert "about to stop" in requests.get(f"{server.url}/readyz", timeout=PATIENCE).text
        assert requests.get(f"{server.url}/healthz", timeout=PATIENCE).ok
        assert server.stop() == 0  # told a second time


def readiness(server: Server, path: str) -> set[int]:
    answers = (requests.get(f"{server.url}{path}", timeout=PATIENCE) for _ in range(8))
    return {answer.status_code for answer in answers}


def test_a_client_that_stalls_holds_the_stop_for_drain_and_graceful_seconds_only(
    tmp_path: Path, shipped_root: Path
) -> None:
    settings = {"registry": shipped_root, "drain_seconds": 1, "graceful_seconds": 1}
    with running(tmp_path, workers=2, **settings) as server:
        stalled, _ = open_half_a_request(server.port)
        with stalled:
            began = time.monotonic()
            assert server.stop() == 0
            assert 1 <= time.monotonic() - began < 2 + SLACK


def test_what_is_in_hand_when_it_stops_is_answered_and_who_connects_is_answered_or_refused(
    tmp_path: Path, shipped_root: Path
) -> None:
    with running(tmp_path, workers=2, registry=shipped_root) as server:
        held, rest = open_half_a_request(server.port)
        server.process.terminate()
        assert refusal(server)
        with held:
            held.sendall(rest)
            response = HTTPResponse(held)
            response.begin()
            assert response.status == 200
            assert b'"model":"calories"' in response.read()
        assert server.process.wait(SLACK) == 0


def refusal(server: Server) -> bool:
    """Connect again and again: whether nothing but an answer came until nobody was let in."""
    while True:
        try:
            connection = connected(server)
        except ConnectionRefusedError:
            return True
        with closing(connection):
            ask(connection)


def test_all_who_wait_to_be_let_in_when_gunicorn_stops_are_answered(
    tmp_path: Path, shipped_root: Path
) -> None:
    with running(tmp_path, workers=1, registry=shipped_root) as server, ExitStack() as stack:
        [worker] = server.workers()
        os.kill(worker, signal.SIGSTOP)
        waiting = [stack.enter_context(closing(connected(server))) for _ in range(9)]
        for connection in waiting:
            connection.request("POST", "/predict", BODY, JSON)
        server.process.terminate()
        os.kill(worker, signal.SIGTERM)  # so that it is told before it can let anyone in
        os.kill(worker, signal.SIGCONT)
        assert [connection.getresponse().status for connection in waiting] == [200] * 9


def test_a_killed_worker_is_replaced_however_often_and_all_end_with_the_main_process(
    tmp_path: Path, shipped_root: Path
) -> None:
    with running(tmp_path, workers=2, registry=shipped_root) as server:
        for _ in range(4):  # the last one is killed as soon as it is there
            before = server.workers()
            os.kill(before[-1], signal.SIGKILL)
            await_(lambda gone=before: len({*server.workers()} - {*gone}) == 1, "another is there")  # type: ignore[misc]
        await_(server.answers, "the service answers")
        assert server.predict().status_code == 200
        workers = server.workers()
        server.process.kill()
        await_(lambda: not any(map(runs, workers)), "the workers have ended")
