"""Slow clients and more load than the service can carry: all are answered or refused."""

import asyncio
import http.client
import json
import math
import socket
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
from hypothesis import strategies as st

from service.gate.overload import OPERATIONS
from tests.fuzz.run import SHAPE, Fuzzer, explore
from tests.fuzz.shapes import SHAPES, SMUGGLED, TWO_LENGTHS
from tests.overload.__main__ import main
from tests.overload.edge import edge
from tests.overload.load import HUNG, TURNED_AWAY, Load, offer, request
from tests.overload.measure import CALM, FRONTED, SET_UPS, Findings, started
from tests.overload.run import Outcome, offered, slow_clients
from tests.servers import PATIENCE, ROW, Server, await_, free_port

ROWS = 20_000  # a request costs the service milliseconds, and who asks much less
RATE = 400  # requests a second: several times what one worker answers

fronted = pytest.mark.parametrize("server", CALM, indirect=True)
# What nginx alone decides, whoever is behind it.
the_edge = pytest.mark.parametrize("server", FRONTED[:1], indirect=True)


@pytest.fixture(scope="module", params=[*CALM, "gunicorn"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, shipped_root: Path
) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("overload")
    with started(folder, shipped_root, request.param, workers=1) as server:
        yield server


@dataclass(frozen=True)
class Overload:
    outcome: Outcome
    health: list[int]


@pytest.fixture(scope="module")
def overload(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Overload:
    """Two seconds of it, while /healthz, /readyz and /metrics are asked."""
    out = tmp_path_factory.mktemp("load") / "samples.txt"
    health = []
    with offered(f"{server.url}/predict", RATE, 2, ROWS, out) as offering:
        while offering.process.poll() is None:
            health += [
                requests.get(server.url + path, timeout=PATIENCE).status_code
                for path in sorted(OPERATIONS)
            ]
        return Overload(offering.outcome(), health)


def test_under_overload_every_request_is_answered_or_refused(overload: Overload) -> None:
    outcome = overload.outcome
    assert outcome.answered > 0
    assert outcome.refused > 0
    assert (outcome.hung, outcome.turned_away, outcome.others) == (0, 0, 0)


def test_who_is_refused_is_told_when_to_come_again(overload: Overload) -> None:
    assert overload.outcome.told_when == overload.outcome.refused


def test_health_and_metrics_answer_under_overload(overload: Overload) -> None:
    assert len(overload.health) > 3
    assert set(overload.health) == {200}


def test_after_overload_every_prediction_is_answered(server: Server, overload: Overload) -> None:
    assert {server.predict().status_code for _ in range(50)} == {200}


@fronted
def test_a_thousand_slow_clients_keep_nobody_from_being_answered(server: Server) -> None:
    with ExitStack() as slow:
        for kind, count in (("headers", 490), ("body", 490), ("reading", 20)):
            slow.enter_context(slow_clients(server.port, count, kind))
        assert {server.predict().status_code for _ in range(200)} == {200}


@pytest.mark.parametrize("server", ["loop", FRONTED[0]], indirect=True)
def test_headers_that_do_not_end_are_cut_off(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(b"POST /predict HTTP/1.1\r\nX-Slow: ")
        client.setblocking(False)

        def cut() -> bool:
            try:
                client.send(b".")
                return client.recv(1024) == b""
            except BlockingIOError:
                return False
            except ConnectionError:
                return True

        await_(cut, "the edge closes the connection")


@the_edge
@pytest.mark.parametrize(
    "sent",
    [
        b"garbage\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX-Long: " + b"a" * 40_000 + b"\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: foo\r\n\r\n",
        b"GET / HTTP/2.0\r\nHost: a\r\n\r\n",
    ],
    ids=[
        "no HTTP",
        "no host",
        "a long path",
        "a long header",
        "no length",
        "no encoding",
        "HTTP/2",
    ],
)
def test_what_is_no_http_gets_a_problem_document_of_the_edge(server: Server, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", server.port), PATIENCE) as client:
        client.sendall(sent)
        answer = http.client.HTTPResponse(client)
        answer.begin()
        assert answer.status == 400
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert json.loads(answer.read())["status"] == 400


def with_line_feeds(shape: bytes) -> bytes:
    """The same with lines that end in a bare LF, as nginx and Granian take them."""
    head, _, body = shape.partition(b"\r\n\r\n")
    return head.replace(b"\r\n", b"\n") + b"\n\n" + body


# Granian takes a length given twice when both are the same.
TWICE = st.sampled_from(
    [
        b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: %d%bContent-Length: %d\r\n\r\n%b"
        % (len(SMUGGLED), between, len(SMUGGLED), SMUGGLED)
        for between in (b"\r\n", b"\r\nX-Between: a\r\n", b"\r\nContent-Length: 0\r\n")
    ]
)
ANY_LENGTH = TWO_LENGTHS | TWICE


# What nginx makes of these is for the server to read, and each reads in its own way.
@fronted
def test_a_length_that_can_be_read_in_two_ways_makes_no_second_request(server: Server) -> None:
    with Fuzzer(server) as fuzzer:
        # Ends when it has drawn each.
        explore(ANY_LENGTH | ANY_LENGTH.map(with_line_feeds), fuzzer.shape, 200, 0)
    assert fuzzer.found[SHAPE].requests >= 32
    for asked in map(str, range(20)):  # and no answer to it waits on a connection that is kept
        answer = requests.get(
            f"{server.url}/version", headers={"X-Request-Id": asked}, timeout=PATIENCE
        )
        assert answer.headers["X-Request-Id"] == asked


def names_its_version(shape: bytes) -> bool:
    """Else it is HTTP/0.9, which nginx speaks: its answers have no head."""
    return b"HTTP/" in shape.partition(b"\n")[0]


@fronted
def test_what_is_no_http_makes_no_second_request_behind_the_edge(server: Server) -> None:
    with Fuzzer(server) as fuzzer:
        explore(SHAPES.filter(names_its_version), fuzzer.shape, 500, 0)


@the_edge
def test_who_holds_too_many_requests_is_told_when_to_come_again(
    server: Server, tmp_path: Path
) -> None:
    with edge(tmp_path, server.port, of_one_address=2) as narrow:
        with ExitStack() as held:
            for _ in range(2):
                held.enter_context(unfinished(narrow.port))
            await_(lambda: narrow.predict().status_code == 503, "both are held")
            refused = narrow.predict()
            assert refused.headers["Retry-After"] == "1"
            assert refused.json()["status"] == 503
        await_(lambda: narrow.predict().status_code == 200, "both are gone")


@the_edge
def test_a_body_that_finds_no_room_to_wait_gets_503_and_others_are_answered(
    server: Server, small_disk: Path
) -> None:
    assert large_body(server).status_code == 200
    with edge(small_disk, server.port) as full:
        refused = large_body(full)
        assert refused.status_code == 503
        assert refused.headers["Retry-After"] == "1"
        assert refused.json()["status"] == 503
        assert full.predict().status_code == 200


def large_body(server: Server) -> requests.Response:
    """The answer to a request of two megabytes, most of them space."""
    body = json.dumps(ROW).encode() + b" " * 2_000_000
    kind = {"Content-Type": "application/json"}
    return requests.post(f"{server.url}/predict", body, headers=kind, timeout=PATIENCE)


@contextmanager
def unfinished(port: int) -> Iterator[None]:
    """A request meanwhile, whose body does not come."""
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n")
        yield


def came(milliseconds: float, status: int = 200) -> Outcome:
    return ended((milliseconds, status, 0))


def ended(*samples: tuple[float, int, int]) -> Outcome:
    """Requests that took so many milliseconds, their status, and 1 for Retry-After."""
    return Outcome(
        np.array([[0.0, took / 1000, status, retry, 0.0] for took, status, retry in samples])
    )


# A run that kept every promise.
KEPT = Findings(
    set_up=FRONTED[0],
    capacity=100.0,
    at_capacity=came(10),
    overload=ended((30, 200, 0), (30, 503, 1)),
    health=(5.0,),
    recovery=2.0,
    quiet=(came(10),),
    slow=(came(20),),
)


@pytest.mark.parametrize("set_up", SET_UPS)
def test_the_long_form_finds_no_fault_when_every_promise_was_kept(set_up: str) -> None:
    assert replace(KEPT, set_up=set_up).broken() == []


BROKEN_WITHOUT_AN_EDGE: list[tuple[dict[str, Any], str]] = [
    ({"overload": ended((30, 200, 0), (30, HUNG, 0))}, "1 requests hung"),
    ({"overload": ended((30, 200, 0), (30, TURNED_AWAY, 0))}, "1 were turned away"),
    ({"overload": ended((30, 200, 0), (30, 502, 0))}, "1 got a status other than 200 and 503"),
    ({"overload": ended((30, 200, 0), (9, 503, 1), (9, 503, 0))}, "Of 2 refusals 1 said when"),
    ({"overload": ended((30, 200, 0), (31, 503, 1))}, "p99 of refusals was 31.0 ms"),
    ({"health": (5.0, math.inf)}, "1 of 2 health checks failed"),
    ({"recovery": 2.1}, "2.10 s after the overload"),
]
BROKEN_AT_THE_EDGE: list[tuple[dict[str, Any], str]] = [
    ({"overload": came(31)}, "3.1 times that at capacity"),
    (
        {"overload": ended(*[(10, 200, 0)] * 98, *[(31, 200, 0)] * 2)},
        "3.1 times that at capacity",
    ),
    ({"slow": (came(21),)}, "2.1 times that without"),
    ({"slow": (ended(*[(10, 200, 0)] * 98, *[(10, 503, 1)] * 2),)}, "98 of 100 requests"),
    (
        {"slow": (ended(*[(10, 200, 0)] * 99, (10, HUNG, 0)),)},
        "Beside slow clients 1 requests hung",
    ),
]


@pytest.mark.parametrize(
    ("set_up", "changed", "told"),
    [
        *((FRONTED[0], *each) for each in BROKEN_WITHOUT_AN_EDGE + BROKEN_AT_THE_EDGE),
        *(("gunicorn", *each) for each in BROKEN_WITHOUT_AN_EDGE),
    ],
)
def test_the_long_form_tells_what_was_not_kept(
    set_up: str, changed: dict[str, Any], told: str
) -> None:
    (sentence,) = replace(KEPT, set_up=set_up, **changed).broken()
    assert sentence.startswith(f"{set_up}: ")
    assert told in sentence


@pytest.mark.parametrize(
    ("set_up", "changed"),
    [
        *(("gunicorn", changed) for changed, _ in BROKEN_AT_THE_EDGE),
        *(("granian", changed) for changed, _ in BROKEN_WITHOUT_AN_EDGE + BROKEN_AT_THE_EDGE),
    ],
)
def test_the_long_form_holds_nobody_to_what_another_promises(
    set_up: str, changed: dict[str, Any]
) -> None:
    assert replace(KEPT, set_up=set_up, **changed).broken() == []


@pytest.mark.parametrize(("recovery", "status"), [(2.0, 0), (2.1, 1)])
def test_the_long_form_ends_with_1_when_a_promise_was_not_kept(
    monkeypatch: pytest.MonkeyPatch, recovery: float, status: int
) -> None:
    found = replace(KEPT, recovery=recovery)
    monkeypatch.setattr("sys.argv", ["overload", KEPT.set_up])
    monkeypatch.setattr("tests.overload.__main__.measure", lambda *_: found)
    assert main() == status


Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]


async def close_at_once(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
    """Answer nothing."""


async def close_in_the_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"}")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{")


async def say_nothing(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"}")
    writer.write(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


@pytest.mark.parametrize(
    ("serve", "status"),
    [
        (close_at_once, TURNED_AWAY),
        (close_in_the_body, TURNED_AWAY),
        (say_nothing, HUNG),
        (refuse, 503),
    ],
)
def test_the_load_keeps_what_became_of_each_request(
    monkeypatch: pytest.MonkeyPatch, serve: Serve, status: int
) -> None:
    monkeypatch.setattr("tests.overload.load.PATIENCE", 0.5)

    async def met() -> list[int]:
        served: list[asyncio.Future[None]] = []

        async def noting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            ended: asyncio.Future[None] = asyncio.Future()
            served.append(ended)
            with suppress(OSError, asyncio.IncompleteReadError):
                await serve(reader, writer)
            writer.close()
            ended.set_result(None)

        async with await asyncio.start_server(noting, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            load = Load("127.0.0.1", port, request("/predict", 1))
            await offer(load, rate=100, seconds=0.1)
            await asyncio.wait(served)
        return [sample[2] for sample in load.samples]

    statuses = asyncio.run(met())
    assert len(statuses) > 3
    assert set(statuses) == {status}


def test_the_load_keeps_that_nobody_let_it_in() -> None:
    load = Load("127.0.0.1", free_port(), request("/predict", 1))
    asyncio.run(offer(load, rate=100, seconds=0.1))
    assert {sample[2] for sample in load.samples} == {TURNED_AWAY}


def test_nothing_answered_is_no_promise_kept() -> None:
    nothing = replace(KEPT, overload=ended((9, 503, 1)), slow=(came(9, 503),))
    told = " ".join(nothing.broken())
    assert "not within the nan ms of answers" in told
    assert "nan times that at capacity" in told
    assert "nan times that without" in told
