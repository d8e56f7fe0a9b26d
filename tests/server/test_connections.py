"""One connection: requests one after another, answers in their order, and its end."""

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing
from itertools import pairwise

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.connection import Connection
from tests.server.tiny import Served, await_closed, exchanged, is_closed, post, received, served
from tests.servers import PATIENCE, await_

CHUNKED = b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\n"
GET = b"GET /echo HTTP/1.1\r\nHost: a\r\n%b\r\n"


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    with served() as server:
        yield server


REQUESTS = st.lists(
    st.one_of(
        st.binary(max_size=40).map(lambda body: (post(body=body), body)),
        st.binary(min_size=1, max_size=40).map(
            lambda body: (
                CHUNKED
                + b"%x;a=b\r\n%b\r\n1\r\n!\r\n0\r\nX-Trailer: a\r\n\r\n" % (len(body), body),
                body + b"!",
            )
        ),
        st.just((GET % b"", b"")),
    ),
    min_size=1,
    max_size=6,
)


@given(REQUESTS, st.lists(st.integers(1, 300), max_size=8))
def test_requests_are_answered_in_order_wherever_their_bytes_are_cut(
    server: Served, asked: list[tuple[bytes, bytes]], cuts: list[int]
) -> None:
    sent = b"".join(each for each, _ in asked)
    places = [0, *sorted(cut for cut in cuts if cut < len(sent)), len(sent)]
    connection = Connection(server.port)
    with closing(connection):
        for start, end in pairwise(places):
            connection.send(sent[start:end])
        for _, body in asked:
            answer = connection.read()
            assert answer
            assert json.loads(answer.body)["body"].encode("latin-1") == body


def test_a_connection_is_kept_until_it_is_told_not_to_be(server: Served) -> None:
    told = exchanged(server.port, GET % b"" + GET % b"Connection: close\r\n" + GET % b"")
    assert told.count(OK) == 2
    assert told.count(b"\r\nConnection: close\r\n") == 1


@pytest.mark.parametrize("kept", [False, True])
def test_with_http_1_0_a_connection_is_kept_for_who_asks(server: Served, *, kept: bool) -> None:
    request = b"GET /echo HTTP/1.0\r\n%b\r\n" % (b"Connection: keep-alive\r\n" * kept)
    with server.connect() as client:
        client.sendall(request)
        first = client.recv(65536)
        assert first.startswith(OK)
        assert (b"\r\nConnection: keep-alive\r\n" in first) == kept
        if kept:
            assert server.answered(client, request)
        else:
            await_closed(client)


def test_every_answer_has_its_date_and_its_request_s_id(server: Served) -> None:
    answer = requests.post(
        f"http://127.0.0.1:{server.port}/echo", headers={"X-Request-Id": "mine"}, timeout=PATIENCE
    )
    assert answer.headers["X-Request-Id"] == "mine"
    assert answer.headers["Date"].endswith(" GMT")


@pytest.mark.parametrize("path", ["/echo", "/slow"])
def test_the_answer_to_head_is_that_to_get_without_its_body(server: Served, path: str) -> None:
    server.application.let_go.set()
    sizes, bodies = [], []
    for method in ("GET", "HEAD"):
        sent = f"{method} {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        head, _, body = exchanged(server.port, sent.encode()).partition(b"\r\n\r\n")
        lines = dict(line.split(b": ") for line in head.split(b"\r\n")[1:])
        sizes.append(int(lines[b"Content-Length"]))
        bodies.append(len(body))
    assert bodies == [sizes[0], 0]
    assert sizes[1] - sizes[0] in {0, 1}  # HEAD is a letter longer than GET, and is told


def test_what_fails_in_a_thread_is_an_answer_and_the_thread_goes_on(server: Served) -> None:
    statuses = [
        requests.post(f"http://127.0.0.1:{server.port}/fails", timeout=PATIENCE).status_code
        for _ in range(2)
    ]
    assert statuses == [500, 500]


# Who waits for leave to send a body.


EXPECT, CLOSE = b"Expect: 100-continue", b"Connection: close"


def test_who_waits_for_leave_is_told_to_go_on(server: Served) -> None:
    with server.connect() as client:
        head, _, body = post("/echo", b"abc", EXPECT).partition(b"\r\n\r\n")
        client.sendall(head + b"\r\n\r\n")
        assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert server.answered(client, body)


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        (post("/echo", b"abc", EXPECT, CLOSE), OK),
        (post("/echo", b"abc", EXPECT).replace(b"HTTP/1.1", b"HTTP/1.0"), OK),
        (post("/echo", b"abc", EXPECT, b"X-Refuse: yes")[:-3], b"HTTP/1.1 401 "),
    ],
    ids=["sends it anyway", "HTTP/1.0", "refused"],
)
def test_who_need_not_wait_for_leave_is_told_nothing_first(
    server: Served, sent: bytes, told: bytes
) -> None:
    answer = exchanged(server.port, sent, finish=False)
    assert answer.startswith(told)
    assert b"\r\nConnection: close\r\n" in answer


# Who is refused before the body is read.


@pytest.mark.parametrize("chunked", [False, True])
def test_a_short_body_is_read_over_and_the_connection_kept(server: Served, chunked: bool) -> None:
    name = f"refused-{chunked}"
    refused = post("/echo", b"abc", b"X-Refuse: yes", name=name.encode())
    if chunked:
        refused = refused.replace(b"Content-Length: 3", b"Transfer-Encoding: chunked")
        refused = refused.replace(b"\r\n\r\nabc", b"\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
    connection = Connection(server.port)
    with closing(connection):
        for part in (refused[:-1], refused[-1:] + post(name=b"next")):
            connection.send(part)
        answers = [connection.read(), connection.read()]
    assert [answer and answer.status for answer in answers] == [401, 200]
    assert server.application.left[name] == 1


REFUSE = b"POST /echo HTTP/1.1\r\nHost: a\r\nX-Refuse: yes\r\n"
PARTS = b"10000\r\n%b\r\n" % (b"a" * 2**16)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (REFUSE + b"Content-Length: 1000000\r\n\r\n" + b"a" * 1_000_000, b"401"),
        (REFUSE + b"Content-Length: 3000000\r\n\r\n" + b"a" * 1_000_000, b"401"),
        (REFUSE + b"Transfer-Encoding: chunked\r\n\r\n" + PARTS * 20, b"401"),
        (CHUNKED + PARTS * 200, b"413"),
    ],
    ids=["whole", "too long", "chunks", "chunks that grow too large"],
)
def test_who_sends_a_long_body_reads_why_it_is_refused(
    server: Served, sent: bytes, status: bytes
) -> None:
    """Closed at once, the connection would be reset, and the answer with it."""
    told = exchanged(server.port, sent)
    assert told.startswith(b"HTTP/1.1 %b " % status)
    assert b"\r\nConnection: close\r\n" in told


# Who says that nothing more comes.


def test_who_has_said_all_is_answered(server: Served) -> None:
    server.application.let_go.clear()
    with server.connect() as client:
        client.sendall(post("/slow") + post("/echo"))
        client.shutdown(socket.SHUT_WR)
        await_(lambda: "/slow" in server.application.asked, "it is asked")
        server.application.let_go.set()
        told = received(client)
    assert told.count(OK) == 2


@pytest.mark.parametrize(
    "sent",
    [
        post("/echo")[:-2],
        *(post("/echo", b"1,1,100")[:-cut] for cut in (2, 7)),
        *(CHUNKED + b"7\r\n" + rest for rest in (b"1,1,1", b"1,1,100\r\n", b"1,1,100\r\n0\r\n")),
    ],
)
def test_what_breaks_off_is_never_whole(server: Served, sent: bytes) -> None:
    told = exchanged(server.port, sent)
    assert told.startswith(b"HTTP/1.1 400 ")
    assert b"broke off" in told
    assert told.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize("sent", [b"", b"\r\n", b"\r\n\r\n"])
def test_who_says_nothing_is_told_nothing(server: Served, sent: bytes) -> None:
    assert exchanged(server.port, sent) == b""


def test_of_each_request_is_told_once_also_of_who_has_left(server: Served) -> None:
    server.application.let_go.clear()
    with server.connect() as waiting, server.connect() as sending:
        waiting.sendall(post("/slow", name=b"waiting"))
        sending.sendall(post("/echo", b"abc", name=b"sending")[:-1])
        await_(lambda: server.connections() >= 2, "both are there")
    server.application.let_go.set()
    await_(lambda: server.application.left["waiting"] == 1, "one is over")
    await_(lambda: server.application.left["sending"] == 1, "the other is over")


# Others.


def test_who_pipelines_without_end_keeps_nobody_waiting(server: Served) -> None:
    many = post(name=b"many") * 2000
    with ExitStack() as stack:
        clients = [stack.enter_context(server.connect()) for _ in range(2)]
        for client in clients:
            client.setblocking(False)
            client.send(many)
        for _ in range(20):
            assert exchanged(server.port, GET % b"Connection: close\r\n")
            for client in clients:
                try:
                    client.recv(2**20)
                    client.send(many)
                except BlockingIOError:
                    pass


def test_who_reads_no_answers_is_read_no_more_requests(server: Served) -> None:
    before = server.application.left["deaf"]
    sent = 0
    with server.connect() as client:
        client.setblocking(False)
        request = post("/big?100000", name=b"deaf")

        def is_stuck() -> bool:
            nonlocal sent
            try:
                sent += client.send(request * 1000)
            except BlockingIOError:
                answered = server.application.left["deaf"] - before
                return 0 < answered < sent // len(request) // 2
            return False

        await_(is_stuck, "the server reads no more")
        assert exchanged(server.port, GET % b"Connection: close\r\n")


def test_what_is_behind_a_refusal_is_not_read(server: Served) -> None:
    before = len(server.application.asked)
    told = exchanged(server.port, b"nonsense\r\n\r\n" + post() * 10)
    assert told.count(b"HTTP/1.1") == 1
    assert len(server.application.asked) == before


def test_a_server_that_leaves_closes_each_connection_behind_its_answer() -> None:
    with served() as server:
        assert b"Connection: close" not in exchanged(server.port, GET % b"")[:200]
        with server.connect() as client:
            client.sendall(GET % b"")
            assert client.recv(65536)
            server.leaving = True
            await_(lambda: server.listener.leaving, "the connections know it")
            assert not is_closed(client)
            client.setblocking(True)
            client.sendall(GET % b"")
            assert b"\r\nConnection: close\r\n" in received(client)
