"""A real nginx as deploy/balancer starts it: it follows, asks again, and adds no second request."""

import http.client
import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests

from tests.balancer import Balancer, balancing
from tests.fuzz.run import Fuzzer, explore
from tests.fuzz.shapes import SHAPES, TWO_LENGTHS
from tests.servers import BODY, JSON, PATIENCE, Server, await_, free_port, in_thread


@pytest.fixture(scope="module")
def front(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with balancing(tmp_path_factory.mktemp("front"), server.port) as front:
        yield front


@pytest.fixture
def balancer(tmp_path: Path) -> Balancer:
    """One that has a server which is not there."""
    balancer = Balancer(tmp_path)
    balancer.ask(free_port())
    return balancer


def unavailable(server: Server) -> bool:
    try:
        return requests.get(f"{server.url}/readyz", timeout=PATIENCE).status_code == 503
    except requests.ConnectionError:
        return False


def test_a_server_that_comes_is_asked_also_where_nginx_could_not_be_told_of_it(
    balancer: Balancer, server: Server
) -> None:
    with balancer.started() as nginx:
        await_(lambda: unavailable(nginx), "nginx answers, and nobody behind it")
        listen = balancer.folder / "listen.conf"
        right = listen.read_text()
        listen.write_text("listen nowhere;")
        balancer.ask(server.port)
        await_(lambda: "[emerg]" in nginx.output(), "nginx refuses what it should read")
        listen.write_text(right)
        await_(nginx.answers, "the new server is asked")


def test_a_server_that_comes_after_nginx_has_looked_and_before_the_first_look_is_asked(
    balancer: Balancer, server: Server
) -> None:
    balancer.ask(free_port(), file="first.conf")
    balancer.ask(server.port, file="then.conf")
    change = "until [ -s nginx.pid ]; do :; done; mv then.conf servers.conf"
    with balancer.started(f"mv first.conf servers.conf\n({change}) &") as nginx:
        await_(nginx.answers, "the new server is asked")


def test_no_signal_reaches_nginx_before_it_can_take_one(balancer: Balancer, server: Server) -> None:
    balancer.ask(server.port, file="then.conf")
    (balancer.folder / "nginx.pid").write_text("1\n")  # left by one that was killed
    with balancer.started("mv then.conf servers.conf\nsleep 2") as nginx:  # two looks
        await_(nginx.answers, "nginx has started")


class Dying(ThreadingHTTPServer):
    """Is in health, and closes the connection of whoever posts to it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[str] = []


class _Handler(BaseHTTPRequestHandler):
    server: Dying

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def do_POST(self) -> None:
        self.server.asked.append(self.path)

    def log_message(self, *_: object) -> None:
        pass


def test_a_prediction_is_asked_of_another_server_and_a_rollback_never(tmp_path: Path) -> None:
    with ExitStack() as open_:
        servers = [open_.enter_context(in_thread(Dying())) for _ in range(4)]
        for pair, path, times in (
            (servers[:2], "/predict", 2),
            (servers[2:], "/admin/models/deep/rollback", 1),
        ):
            folder = tmp_path / str(times)
            folder.mkdir()
            with balancing(folder, *(each.server_port for each in pair)) as front:
                assert requests.post(front.url + path, timeout=PATIENCE).status_code == 503
            assert [asked for each in pair for asked in each.asked] == [path] * times


def test_what_nginx_refuses_gets_a_problem_document(front: Server) -> None:
    host, post = b"Host: a\r\n", b"POST / HTTP/1.1\r\nHost: a\r\n"
    for sent, status in (
        (b"garbage\r\n", 400),
        (b"GET / HTTP/1.1\r\n", 400),
        (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n" + host, 400),
        (b"GET / HTTP/1.1\r\n" + host + b"X-Long: " + b"a" * 40_000 + b"\r\n", 400),
        (post + b"Transfer-Encoding: foo\r\n", 400),
        (b"GET / HTTP/2.0\r\n" + host, 400),
        (post + b"Content-Length: 9000000\r\n", 413),
    ):
        with socket.create_connection(("127.0.0.1", front.port), PATIENCE) as client:
            client.sendall(sent + b"\r\n")
            answer = http.client.HTTPResponse(client)
            answer.begin()
            assert answer.status == status, sent[:99]
            assert answer.headers["Content-Type"] == "application/problem+json"
            assert json.loads(answer.read())["status"] == status


def test_a_body_that_finds_no_room_to_wait_gets_503_and_others_are_answered(
    server: Server, front: Server, small_disk: Path
) -> None:
    assert large_body(front).status_code == 200
    with balancing(small_disk, server.port) as full:
        refused = large_body(full)
        assert refused.status_code == 503
        assert refused.headers["Retry-After"] == "1"
        assert refused.json()["status"] == 503
        assert full.predict().status_code == 200


def large_body(server: Server) -> requests.Response:
    """The answer to a request of two megabytes, most of them space."""
    body = BODY + b" " * 2_000_000
    return requests.post(f"{server.url}/predict", body, headers=JSON, timeout=PATIENCE)


def with_line_feeds(shape: bytes) -> bytes:
    """The same with lines that end in a bare LF, as nginx takes them."""
    head, _, body = shape.partition(b"\r\n\r\n")
    return head.replace(b"\r\n", b"\n") + b"\n\n" + body


def names_its_version(shape: bytes) -> bool:
    """Else it is HTTP/0.9, which nginx speaks: its answers have no head."""
    return b"HTTP/" in shape.partition(b"\n")[0]


# What nginx makes of these is for the service to read, and each reads in its own way.
def test_what_is_no_http_makes_no_second_request(front: Server) -> None:
    shapes = TWO_LENGTHS | TWO_LENGTHS.map(with_line_feeds) | SHAPES.filter(names_its_version)
    with Fuzzer(front) as fuzzer:
        explore(shapes, fuzzer.shape, 250, 0)
    for asked in map(str, range(20)):  # and no answer to it waits on a connection that is kept
        headers = {"X-Request-Id": asked}
        answer = requests.get(f"{front.url}/version", headers=headers, timeout=PATIENCE)
        assert answer.headers["X-Request-Id"] == asked
