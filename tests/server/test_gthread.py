"""What gunicorn's worker does with more requests than it may hold, by a real gunicorn."""

import json
import select
import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPResponse
from pathlib import Path
from time import monotonic

import pytest
import requests

from service.gate.overload import RESERVED
from tests.gate.test_secured import identity
from tests.servers import PATIENCE, ROW, Server, await_, running

HALF = (
    b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b"Expect: 100-continue\r\nContent-Length: 4\r\n\r\n"
)

BODY = json.dumps(ROW).encode()
# What is sent at once is seen whole; http.client sends the body by itself.
WHOLE = (
    b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n" % len(BODY)
) + BODY

LONG = 600  # seconds that a stop may take, and does not
PLACES = 30  # connections a worker holds
FEW_PLACES = f"--worker-connections {PLACES}"


@contextmanager
def bounded(
    folder: Path, registry: Path, threads: int = 2, arguments: str = FEW_PLACES, **settings: Path
) -> Iterator[Server]:
    """A worker with few places that holds one request at a time."""
    with running(
        folder,
        workers=1,
        threads=threads,
        max_in_flight=1,
        registry=registry,
        access_log=1,
        gunicorn_cmd_args=arguments,
        **settings,
    ) as server:
        yield server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, shipped_root: Path) -> Iterator[Server]:
    """A second thread is for those who watch."""
    with bounded(tmp_path_factory.mktemp("gthread"), shipped_root) as server:
        yield server


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory, shipped_root: Path) -> Iterator[Server]:
    """There is no second thread."""
    with bounded(tmp_path_factory.mktemp("narrow"), shipped_root, threads=1) as server:
        yield server


def connected(server: Server) -> socket.socket:
    """A new connection, over HTTPS where the server speaks it."""
    client = socket.create_connection(("127.0.0.1", server.port), PATIENCE)
    if not server.certificate:
        return client
    trusting = ssl.create_default_context(cafile=str(server.certificate))
    return trusting.wrap_socket(client, server_hostname="127.0.0.1")


@contextmanager
def half_a_request(server: Server) -> Iterator[socket.socket]:
    """A request in a thread that waits for its body."""
    with ExitStack() as stack:
        tries: list[socket.socket] = []

        def begun() -> bool:
            try:
                client = stack.enter_context(connected(server))
                tries.append(client)
                client.sendall(HALF)
                return client.recv(64).startswith(b"HTTP/1.1 100")
            except OSError:
                return False  # closed without a word

        # An answer is read before the worker has counted it as ended.
        await_(begun, "there is room")
        yield tries[-1]


def end(half: socket.socket) -> None:
    """Send the body that is waited for, which gets its answer."""
    half.sendall(b"null")
    assert half.recv(64).startswith(b"HTTP/1.1 4")


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


def asked(client: socket.socket) -> tuple[int, bool]:
    """The status that a request gets over a connection, and whether that is closed after it."""
    client.sendall(WHOLE)
    with HTTPResponse(client, method="POST") as answer:
        answer.begin()
        answer.read()
        return answer.status, answer.will_close


def test_who_is_refused_asks_again_over_the_same_connection(server: Server) -> None:
    with connected(server) as client:
        with half_a_request(server):
            assert [asked(client) for _ in range(3)] == [(503, False)] * 3
        await_(lambda: asked(client) == (200, False), "there is room")


def test_a_connection_whose_request_did_not_end_is_closed_after_the_refusal(full: Server) -> None:
    with connected(full) as client:
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


def test_a_watcher_who_asks_twice_at_once_gets_both_answers(full: Server) -> None:
    request = b"GET /healthz HTTP/1.1\r\nHost: a\r\n%b\r\n"
    with connected(full) as client, client.makefile("rb") as answers:
        client.sendall(request % b"" + request % b"Connection: close\r\n")
        assert answers.read().count(b"HTTP/1.1 200") == 2


def test_those_who_watch_are_bounded_as_well(full: Server) -> None:
    with ExitStack() as stack:
        clients = [stack.enter_context(connected(full)) for _ in range(2 * RESERVED)]
        for client in clients:
            client.sendall(HALF.replace(b"POST /predict", b"GET /healthz"))

        def refused() -> int:
            answered, _, _ = select.select(clients, [], [], 0)
            begun = [client.recv(64, socket.MSG_PEEK) for client in answered]
            return sum(each.startswith(b"HTTP/1.1 503") for each in begun)

        await_(lambda: refused() == RESERVED, "all others are refused")


def test_what_is_refused_is_counted(full: Server) -> None:
    assert ask(full, "/predict").status_code == 503
    assert 'status="503"' in requests.get(f"{full.url}/metrics", timeout=PATIENCE).text


def test_a_connection_that_says_nothing_yet_is_refused_when_it_asks(full: Server) -> None:
    with connected(full) as client:
        assert ask(full, "/predict").status_code == 503  # so the other was accepted before
        client.sendall(HALF)
        assert client.recv(64).startswith(b"HTTP/1.1 503")


def test_a_client_that_goes_away_is_no_trouble(full: Server) -> None:
    connected(full).close()
    assert ask(full, "/predict").status_code == 503


def test_there_is_room_again_when_a_request_has_ended(server: Server) -> None:
    with half_a_request(server) as client:
        assert ask(server, "/predict").status_code == 503
        end(client)
    await_(lambda: ask(server, "/predict").ok, "there is room")


@contextmanager
def silent(server: Server, count: int) -> Iterator[None]:
    """Clients that connect and say nothing."""
    with ExitStack() as stack:
        for _ in range(count):
            stack.enter_context(connected(server))
        yield


@contextmanager
def kept(server: Server, count: int) -> Iterator[set[int]]:
    """Clients that keep their connections for as long as they may; the statuses that they get."""
    with ExitStack() as stack:
        statuses = set()
        for _ in range(count):
            client = stack.enter_context(connected(server))
            statuses.add(asked(client)[0])
        yield statuses


def test_more_clients_than_there_are_places_are_refused_and_none_hangs(narrow: Server) -> None:
    with half_a_request(narrow), kept(narrow, 2 * PLACES) as statuses:
        assert statuses == {503}
    await_(lambda: ask(narrow, "/predict").ok, "there is room")


def test_health_answers_when_kept_and_silent_clients_take_all_places(full: Server) -> None:
    with kept(full, PLACES), silent(full, PLACES):
        for path in ("/healthz", "/readyz", "/metrics"):
            assert requests.get(full.url + path, timeout=PATIENCE).status_code == 200
        assert ask(full, "/predict").status_code == 503


def test_who_has_been_silent_for_longest_makes_room(server: Server) -> None:
    with connected(server) as first, silent(server, PLACES):
        assert first.recv(1) == b""


def test_who_does_not_close_his_end_keeps_nobody_waiting(
    tmp_path: Path, shipped_root: Path
) -> None:
    with running(tmp_path, workers=1, registry=shipped_root) as server, ExitStack() as stack:
        began = monotonic()
        clients = [stack.enter_context(connected(server)) for _ in range(60)]
        for client in clients:
            client.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        for client in clients:
            assert client.recv(64).startswith(b"HTTP/1.1 200")
        assert requests.get(f"{server.url}/healthz", timeout=PATIENCE).ok
        # gunicorn's own worker waits for each of them for 2 s, and needs 40 s.
        assert monotonic() - began < 20


@pytest.fixture
def watched_in_silence(tmp_path: Path, shipped_root: Path) -> Iterator[Server]:
    """A server with one thread, and clients that say nothing."""
    with (
        running(
            tmp_path, workers=1, threads=1, graceful_seconds=LONG, registry=shipped_root
        ) as server,
        # gunicorn's own worker lets each of them have the thread for 5 s.
        silent(server, 20),
    ):
        yield server


def test_who_says_nothing_takes_no_thread(watched_in_silence: Server) -> None:
    assert watched_in_silence.predict().ok


def test_who_says_nothing_holds_no_stop(watched_in_silence: Server) -> None:
    assert watched_in_silence.stop() == 0


def test_who_does_not_close_his_end_holds_no_stop(tmp_path: Path, shipped_root: Path) -> None:
    with (
        running(tmp_path, workers=1, graceful_seconds=LONG, registry=shipped_root) as server,
        connected(server) as client,
    ):
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert client.recv(64).startswith(b"HTTP/1.1 200")
        assert server.stop() == 0


@pytest.mark.parametrize("sent", [b"X-API-Key: KEY\r\n\r\n", b"KEY /predict HTTP/1.1\r\n\r\n"])
def test_a_key_where_the_request_line_should_be_is_not_repeated(full: Server, sent: bytes) -> None:
    key = "calories_shop-0123456789abcdef"
    with connected(full) as client, client.makefile("rb") as answer:
        client.sendall(sent.replace(b"KEY", key.encode()))
        told = answer.read()
    assert told.startswith(b"HTTP/1.1 503")
    assert key not in told.decode() + full.output()


def test_a_refusal_that_fails_costs_its_connection_alone(
    tmp_path: Path, shipped_root: Path
) -> None:
    failing = "--worker-class tests.failing.FailingWorker"
    with bounded(tmp_path, shipped_root, arguments=failing) as server:
        workers = server.workers()
        with half_a_request(server) as client:
            with pytest.raises(requests.ConnectionError):
                ask(server, "/predict")
            end(client)
        await_(server.answers, "there is room")
        assert "RuntimeError: a fault" in server.output()
        assert server.workers() == workers


def test_over_https_who_finds_no_room_is_closed_at_once_and_answered_later(
    tmp_path: Path, shipped_root: Path
) -> None:
    own = identity(tmp_path)
    with bounded(
        tmp_path, shipped_root, tls_certificate=own.certificate, tls_key=own.key
    ) as server:
        with half_a_request(server) as client:
            for path in ("predict", "healthz"):
                with pytest.raises(requests.ConnectionError):
                    requests.get(f"{server.url}/{path}", timeout=PATIENCE, verify=server.verify)
            end(client)
        await_(server.answers, "there is room")
