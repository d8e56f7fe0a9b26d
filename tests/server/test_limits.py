"""How much and how long: each bound is a setting, and who goes beyond it is told so."""

import json
import os
import resource
import socket
import struct
from collections import Counter
from contextlib import ExitStack, suppress
from pathlib import Path
from time import monotonic

import pytest

from service.server.listener import Shares
from tests.fuzz.connection import Answer, Connection
from tests.server.tiny import Served, await_closed, exchanged, is_closed, post, received, served
from tests.servers import DEV_PYTHON, PATIENCE, await_, run

SOON = 0.3  # seconds
OK = b"HTTP/1.1 200 "
LAST = post("%b", b"", b"Connection: close")


# Time.


@pytest.mark.parametrize(
    ("setting", "sent"),
    [
        *(("header_seconds", sent) for sent in (b"POST /echo", post()[:-2], b"\r\nPOST")),
        ("header_seconds", post() + b"POST"),  # a second head has its own time
        ("body_seconds", post("/echo", b"abc")[:-1]),
    ],
)
def test_what_takes_too_long_to_come_is_refused(setting: str, sent: bytes) -> None:
    with served(**{setting: SOON}) as server:
        told = exchanged(server.port, sent, finish=False)
        head, _, body = told[told.rindex(b"HTTP/1.1 ") :].partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 408 ")
        assert setting.upper() in json.loads(body)["detail"]
        if setting == "body_seconds":  # by then it is an exchange
            assert b"\r\nX-Request-Id: one\r\n" in told
            assert server.application.left["one"] == 1


def test_also_what_comes_a_byte_at_a_time() -> None:
    with served(header_seconds=SOON) as server, server.connect() as client:
        client.sendall(b"POST /")

        def is_refused() -> bool:
            client.setblocking(True)
            client.send(b"a")
            client.setblocking(False)
            try:
                return client.recv(100).startswith(b"HTTP/1.1 408 ")
            except BlockingIOError:
                return False

        await_(is_refused, "it is refused")


def test_who_says_nothing_first_or_between_two_requests_is_closed_without_a_word() -> None:
    with served(header_seconds=SOON, idle_seconds=SOON) as server:
        assert exchanged(server.port, b"", finish=False) == b""
        with server.connect() as client:
            for _ in range(3):
                assert server.answered(client, post())
            assert received(client) == b""


def test_who_does_not_take_an_answer_is_closed_and_who_takes_it_slowly_gets_all_of_it() -> None:
    with served(write_seconds=SOON) as server, server.connect() as client:
        client.sendall(post("/big?30000000"))
        await_(lambda: server.connections() == 1, "it is there")
        await_(lambda: server.connections() == 0, "it is closed")
    with served() as server:
        assert len(exchanged(server.port, LAST % b"/big?30000000", finish=False)) > 30_000_000


def test_who_does_not_close_his_end_is_closed() -> None:
    with served() as server, server.connect() as client:
        client.sendall(b"nonsense\r\n\r\n")
        assert received(client).startswith(b"HTTP/1.1 400 ")
        await_(lambda: server.connections() == 0, "it is closed")


# Bytes.


def test_all_bodies_together_are_bounded() -> None:
    large = post("/echo", b"a" * 2**20, b"Connection: close")
    with (
        served(max_body_bytes=2**20, max_bodies_bytes=2**20) as server,
        server.connect() as holding,
    ):
        holding.sendall(large[:-1])
        await_(lambda: server.listener.room._free < 2, "it is held")
        refused = exchanged(server.port, large)
        assert refused.startswith(b"HTTP/1.1 503 ")
        assert b"\r\nRetry-After: 1\r\n" in refused
        assert exchanged(server.port, post("/echo", b"a", b"Connection: close")).startswith(OK)
        holding.close()
        await_(lambda: server.connections() == 0, "it is gone")
        assert exchanged(server.port, large).startswith(OK)


# Connections.


def test_for_one_connection_too_many_that_goes_which_has_been_idle_for_longest() -> None:
    with served(max_connections=3) as server, ExitStack() as stack:
        clients = [stack.enter_context(server.connect()) for _ in range(3)]
        for client in clients:
            assert server.answered(client, post())
        assert exchanged(server.port, LAST % b"/echo")
        await_closed(clients[0])
        assert not any(is_closed(client) for client in clients[1:])


@pytest.mark.parametrize("setting", ["max_connections", "max_connections_of_one_address"])
def test_who_sends_slowly_makes_room_too(setting: str) -> None:
    with served(**{setting: 4}) as server, ExitStack() as stack:
        for sent in (b"", post("/echo", b"abc")[:-1], *[b"POST /unfinished"] * 100):
            stack.enter_context(server.connect()).sendall(sent)
        assert exchanged(server.port, LAST % b"/echo")


def test_who_waits_for_an_answer_makes_no_room() -> None:
    with served(max_connections=2) as server, ExitStack() as stack:
        clients = busy(server, stack, 2)
        await_(lambda: server.connections() == 2, "both are there")
        clients.append(stack.enter_context(server.connect()))
        clients[-1].sendall(post())
        server.application.let_go.set()
        for client in clients:
            assert client.recv(65536).startswith(OK)


def test_for_one_too_many_of_an_address_that_of_its_own_goes_which_has_waited_for_longest() -> None:
    with served(max_connections_of_one_address=3) as server, ExitStack() as stack:
        other = stack.enter_context(server.connect("127.0.0.2"))
        clients = []
        for sent in (b"POST /unfinished", post(), post("/echo", b"abc")[:-1]):
            clients.append(stack.enter_context(server.connect()))
            clients[-1].sendall(sent)
            await_(lambda: server.connections() == 1 + len(clients), "it is there")
        assert clients[1].recv(65536).startswith(OK)
        assert server.answered(stack.enter_context(server.connect()), post())
        await_closed(clients[0])
        assert not any(is_closed(client) for client in (*clients[1:], other))


def test_where_all_of_an_address_wait_for_answers_one_more_is_closed() -> None:
    with served(max_connections_of_one_address=2) as server, ExitStack() as stack:
        clients = busy(server, stack, 2)
        with server.connect() as third:
            await_closed(third)
        assert server.answered(stack.enter_context(server.connect("127.0.0.2")), post())
        server.application.let_go.set()
        for client in clients:
            assert client.recv(65536).startswith(OK)


FILES = """
from resource import RLIMIT_NOFILE, getrlimit, setrlimit
from service.server.listener import most_connections
for limits in ((64, 10_000), (1024, 2048), (1024, 1024)):  # a process may lower the second
    setrlimit(RLIMIT_NOFILE, limits)
    print(most_connections(4096), *getrlimit(RLIMIT_NOFILE))
"""


def test_no_more_connections_are_let_in_than_files_may_be_open() -> None:
    found = run(DEV_PYTHON, "-c", FILES).stdout.splitlines()
    assert found == ["4096 4224 10000", "1920 2048 2048", "896 1024 1024"]


def test_a_worker_lets_another_with_fewer_connections_go_first() -> None:
    shares = Shares(3)
    shares.note(0)  # of the first worker
    assert shares.room() > 60  # it is alone
    second = shares.enter({0})
    shares.note(0)
    first_is_back = shares.enter({second})
    assert (first_is_back, second) == (0, 1)
    shares.note(20)
    assert shares.room() < 0
    shares.leave(second)
    assert shares.room() > 60


def test_without_files_a_connection_waits_for_one() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with served() as server, ExitStack() as stack:
        client = stack.enter_context(socket.socket())
        client.settimeout(PATIENCE)
        highest = max(int(file.name) for file in Path("/proc/self/fd").iterdir())
        resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1, hard))
        try:
            with suppress(OSError):
                while True:
                    stack.callback(os.close, os.dup(client.fileno()))
            client.connect(("127.0.0.1", server.port))
            client.sendall(post())
            await_(lambda: server.listener.not_let_in.times > 0, "the server has found no file")
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert client.recv(65536).startswith(OK)


# Waiting.


def busy(server: Served, stack: ExitStack, waiting: int = 1) -> list[socket.socket]:
    """Requests for Flask: the first is being answered, the others wait."""
    clients = [stack.enter_context(server.connect()) for _ in range(waiting)]
    for client in clients:
        client.sendall(post("/slow", name=b"busy"))
    await_(lambda: "/slow" in server.application.asked, "one is being answered")
    return clients


def test_what_has_waited_for_too_long_is_refused_and_not_computed() -> None:
    with served(max_wait_seconds=SOON) as server, ExitStack() as stack:
        first, second = busy(server, stack, 2)
        late = monotonic() + 2 * SOON
        await_(lambda: monotonic() > late, "the second has waited")
        server.application.let_go.set()
        assert first.recv(65536).startswith(OK)
        told = second.recv(65536)
        assert told.startswith(b"HTTP/1.1 503 ")
        assert b"\r\nRetry-After: 1\r\n" in told
        assert b"Connection: close" not in told
        assert server.application.asked.count("/slow") == 1


@pytest.mark.parametrize("fails", [False, True])
def test_a_client_that_waits_less_says_so_and_the_thread_goes_on_whatever_fails(
    *, fails: bool
) -> None:
    hurry = [b"X-Request-Timeout: 0.000001", *[b"X-Break: yes"] * fails]
    with served() as server, ExitStack() as stack:
        busy(server, stack)
        hurried = [stack.enter_context(server.connect()) for _ in range(2)]
        for client in hurried:
            client.sendall(post("/slow", b"", *hurry))
        await_(lambda: server.connections() == 3, "they wait")
        server.application.let_go.set()
        for client in hurried:
            assert client.recv(65536).startswith(b"HTTP/1.1 500 " if fails else b"HTTP/1.1 503 ")
        assert exchanged(server.port, LAST % b"/slow").startswith(OK)


@pytest.mark.parametrize("given", [b"0", b"-1", b"soon", b"nan", b"", b"1_0", b"5s"])
def test_what_is_no_time_to_wait_is_refused(given: bytes) -> None:
    with served() as server:
        told = exchanged(server.port, post("/echo", b"", b"X-Request-Timeout: " + given))
    assert told.startswith(b"HTTP/1.1 422 ")
    assert b"seconds above 0" in told


def test_what_would_wait_too_long_is_refused_at_once_and_its_connection_kept() -> None:
    with served(max_wait_seconds=SOON) as server, ExitStack() as stack:
        [first] = busy(server, stack)
        late = monotonic() + 2 * SOON
        await_(lambda: monotonic() > late, "it has taken longer than anybody waits")
        server.application.let_go.set()
        assert first.recv(65536).startswith(OK)
        server.application.let_go.clear()
        server.application.asked.clear()
        busy(server, stack)
        connection = Connection(server.port)
        stack.callback(connection.close)
        for _ in range(3):
            connection.send(post("/slow"))
            answer = connection.read()
            assert answer
            assert (answer.status, answer.closes) == (503, False)
            assert answer.headers["retry-after"] == "1"


def answered_at_once(server: Served, stack: ExitStack, request: bytes) -> list[Answer | None]:
    """What 60 clients get whose requests have all come while the loop was held."""
    holding = stack.enter_context(server.connect())
    holding.sendall(post("/hold"))
    await_(lambda: "/hold" in server.application.asked, "the loop is held")
    connections = [Connection(server.port) for _ in range(60)]
    for connection in connections:
        stack.callback(connection.close)
        connection.send(request)
    server.application.let_go.set()
    return [connection.read() for connection in connections]


def test_what_would_wait_too_long_for_the_loop_is_refused_and_not_computed() -> None:
    with served(max_wait_seconds=0.05) as server, ExitStack() as stack:
        answers = answered_at_once(server, stack, post("/work"))
        statuses = Counter(answer.status for answer in answers if answer and not answer.closes)
        assert statuses.keys() == {200, 503}
        assert statuses.total() == 60
        assert server.application.asked.count("/work") == statuses[200]


def test_what_cannot_even_be_refused_in_the_loop_is_answered_and_the_loop_goes_on() -> None:
    with served(max_wait_seconds=0.05) as server, ExitStack() as stack:
        answers = answered_at_once(server, stack, post("/work", b"", b"X-Break: yes"))
        assert {answer and answer.status for answer in answers} == {200, 500}


def test_rows_health_and_scrapes_are_answered_while_flask_is_busy_and_health_beside_a_scrape() -> (
    None
):
    with served() as server, ExitStack() as stack:
        busy(server, stack, 5)
        scraper = stack.enter_context(server.connect())
        scraper.sendall(post("/scrape"))
        await_(lambda: "/scrape" in server.application.asked, "it is being answered")
        for path in (b"/echo", b"/health"):
            assert exchanged(server.port, LAST % path).startswith(OK)
        server.application.let_go.set()
        assert scraper.recv(65536).startswith(OK)


def test_what_nobody_waits_for_any_more_is_not_computed() -> None:
    with served() as server, ExitStack() as stack:
        _, second = busy(server, stack, 2)
        reset = struct.pack("ii", 1, 0)  # else it may wait, and only have said all that it has to
        second.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
        second.close()
        await_(lambda: server.connections() == 1, "the second has gone")
        server.application.let_go.set()
        await_(lambda: server.application.left["busy"] == 2, "both are over")
        assert server.application.asked.count("/slow") == 1
