"""Slow clients and more load than the service can carry: all are answered or refused."""

import asyncio
import math
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests

from tests.overload.load import HUNG, TURNED_AWAY, Load, offer
from tests.overload.measure import WATCHING, Findings
from tests.overload.run import Outcome, offered, slow_clients
from tests.servers import PATIENCE, Server, free_port, request, running

ROWS = 20_000  # a request costs the service milliseconds, and who asks much less
RATE = 400  # requests a second: several times what one worker answers
CLIENTS, REQUESTS = 512, 5  # of a closed loop


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, shipped_root: Path) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("overload")
    with running(folder, registry=shipped_root, workers=1) as server:
        yield server


@dataclass(frozen=True)
class Overload:
    outcome: Outcome
    health: list[int]


@pytest.fixture(scope="module")
def overload(server: Server) -> Overload:
    """Two seconds of it, while /healthz, /readyz and /metrics are asked."""
    health = []
    with offered(server.port, RATE, 2, ROWS) as offering:
        while offering.process.poll() is None:
            health += [
                requests.get(server.url + path, timeout=PATIENCE).status_code for path in WATCHING
            ]
        return Overload(offering.outcome(), health)


def test_under_overload_every_request_is_answered_or_refused(overload: Overload) -> None:
    outcome = overload.outcome
    assert outcome.count(200) > 0
    assert outcome.count(503) > 0
    assert outcome.failed == {}


def test_who_is_refused_is_told_when_to_come_again(overload: Overload) -> None:
    assert overload.outcome.told_when == overload.outcome.count(503)


def test_health_and_metrics_answer_under_overload(overload: Overload) -> None:
    assert len(overload.health) > 3
    assert set(overload.health) == {200}


def test_after_overload_every_prediction_is_answered(server: Server, overload: Overload) -> None:
    assert {server.predict().status_code for _ in range(50)} == {200}


def test_a_thousand_slow_clients_keep_nobody_from_being_answered(server: Server) -> None:
    with slow_clients(server.port):
        assert {server.predict().status_code for _ in range(200)} == {200}


def test_512_clients_in_a_closed_loop_see_no_503(server: Server) -> None:
    heads = Counter[bytes]()

    async def ask() -> None:
        """One client: its next request comes when the last one was answered."""
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        for _ in range(REQUESTS):
            writer.write(request())
            head = await reader.readuntil(b"\r\n\r\n")
            length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
            await reader.readexactly(int(length))
            heads[head[9:12]] += 1
        writer.close()
        await writer.wait_closed()

    async def crowd() -> None:
        await asyncio.wait_for(asyncio.gather(*(ask() for _ in range(CLIENTS))), PATIENCE)

    asyncio.run(crowd())
    assert heads == {b"200": CLIENTS * REQUESTS}


def ended(*samples: tuple[float, int, int]) -> Outcome:
    """Requests that took so many milliseconds, their status, and 1 for Retry-After."""
    return Outcome(np.array([[0.0, took / 1000, *rest, 0.0] for took, *rest in samples]))


ANSWER, REFUSAL = (30, 200, 0), (30, 503, 1)
# A run that kept every promise.
KEPT = Findings(
    capacity=100.0,
    overload=ended(ANSWER, REFUSAL),
    health=(5.0,),
    recovery=1.0,
    quiet=(ended((10, 200, 0)),),
    slow=(ended((15, 200, 0)),),
)
NOT_KEPT: list[tuple[dict[str, Any], str]] = [
    ({"overload": ended(ANSWER, (30, HUNG, 0))}, "others {0: 1}"),
    ({"overload": ended(ANSWER, (30, TURNED_AWAY, 0))}, "others {-1: 1}"),
    ({"overload": ended(ANSWER, (30, 502, 0))}, "others {502: 1}"),
    ({"overload": ended(ANSWER, (9, 503, 1), (9, 503, 0))}, "refused 2, 1 told when"),
    ({"overload": ended(ANSWER, (31, 503, 1))}, "later than answers"),
    ({"health": (5.0, math.inf)}, "1 of 2 health checks failed"),
    ({"recovery": 1.1}, "1.10 s after the overload"),
    ({"overload": ended((1031, 200, 0))}, "1031.0 ms, not within 1030.0"),
    ({"overload": ended(*[ANSWER] * 98, *[(1031, 200, 0)] * 2)}, "1031.0 ms, not within 1030.0"),
    ({"slow": (ended((16, 200, 0)),)}, "1.6 times that without"),
    ({"slow": (ended(*[(10, 200, 0)] * 98, *[REFUSAL] * 2),)}, "98% were answered"),
    ({"slow": (ended(*[(10, 200, 0)] * 99, (10, HUNG, 0)),)}, "slow clients neither answered"),
]


def test_the_long_form_tells_every_promise_that_was_not_kept() -> None:
    assert KEPT.broken() == []
    for changed, told in NOT_KEPT:
        [sentence] = replace(KEPT, **changed).broken()
        assert told in sentence


def test_nothing_answered_is_no_promise_kept() -> None:
    nothing = replace(KEPT, overload=ended((9, 503, 1)), slow=(ended((9, 503, 0)),))
    told = " ".join(nothing.broken())
    for promise in ("later than answers", "under overload was nan ms", "nan times that without"):
        assert promise in told


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (b"", TURNED_AWAY),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", TURNED_AWAY),
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", 503),
        (None, HUNG),
    ],
    ids=["closed", "cut", "refused", "silent"],
)
def test_the_load_keeps_what_became_of_each_request(
    monkeypatch: pytest.MonkeyPatch, answer: bytes | None, status: int
) -> None:
    monkeypatch.setattr("tests.overload.load.PATIENCE", 0.5)

    serving: list[Any] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.append(asyncio.current_task())
        with suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"}")
            if answer is None:
                await reader.read()
            writer.write(answer or b"")
        with suppress(OSError):
            writer.close()
            await writer.wait_closed()

    async def met() -> Load:
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            load = Load(server.sockets[0].getsockname()[1], request())
            await offer(load, rate=100, seconds=0.1)
            await asyncio.wait(serving)
            return load

    statuses = [sample[2] for sample in asyncio.run(met()).samples]
    assert len(statuses) > 3
    assert set(statuses) == {status}


def test_the_load_keeps_that_nobody_let_it_in() -> None:
    load = Load(free_port(), request())
    asyncio.run(offer(load, rate=100, seconds=0.1))
    assert {sample[2] for sample in load.samples} == {TURNED_AWAY}
