"""Slow clients and more load than the service can carry: all are answered or refused."""

import asyncio
import math
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests

from tests.overload.__main__ import main
from tests.overload.load import HUNG, TURNED_AWAY, Load, offer, request
from tests.overload.measure import WATCHING, Findings
from tests.overload.run import Outcome, offered, slow_clients
from tests.servers import PATIENCE, Server, free_port, running

ROWS = 20_000  # a request costs the service milliseconds, and who asks much less
RATE = 400  # requests a second: several times what one worker answers


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
def overload(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Overload:
    """Two seconds of it, while /healthz, /readyz and /metrics are asked."""
    out = tmp_path_factory.mktemp("load") / "samples.txt"
    health = []
    with offered(f"{server.url}/predict", RATE, 2, ROWS, out) as offering:
        while offering.process.poll() is None:
            health += [
                requests.get(server.url + path, timeout=PATIENCE).status_code for path in WATCHING
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


def test_a_thousand_slow_clients_keep_nobody_from_being_answered(server: Server) -> None:
    with ExitStack() as slow:
        for kind, count in (("headers", 490), ("body", 490), ("reading", 20)):
            slow.enter_context(slow_clients(server.port, count, kind))
        assert {server.predict().status_code for _ in range(200)} == {200}


def came(milliseconds: float, status: int = 200) -> Outcome:
    return ended((milliseconds, status, 0))


def ended(*samples: tuple[float, int, int]) -> Outcome:
    """Requests that took so many milliseconds, their status, and 1 for Retry-After."""
    return Outcome(
        np.array([[0.0, took / 1000, status, retry, 0.0] for took, status, retry in samples])
    )


# A run that kept every promise.
KEPT = Findings(
    capacity=100.0,
    at_capacity=came(10),
    overload=ended((30, 200, 0), (30, 503, 1)),
    health=(5.0,),
    recovery=1.0,
    quiet=(came(10),),
    slow=(came(15),),
)


def test_the_long_form_finds_no_fault_when_every_promise_was_kept() -> None:
    assert KEPT.broken() == []


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"overload": ended((30, 200, 0), (30, HUNG, 0))}, "1 requests hung"),
        ({"overload": ended((30, 200, 0), (30, TURNED_AWAY, 0))}, "1 were turned away"),
        ({"overload": ended((30, 200, 0), (30, 502, 0))}, "1 got a status other than 200 and 503"),
        ({"overload": ended((30, 200, 0), (9, 503, 1), (9, 503, 0))}, "Of 2 refusals 1 said when"),
        ({"overload": ended((30, 200, 0), (31, 503, 1))}, "p99 of refusals was 31.0 ms"),
        ({"health": (5.0, math.inf)}, "1 of 2 health checks failed"),
        ({"recovery": 1.1}, "1.10 s after the overload"),
        ({"overload": came(1031)}, "1031.0 ms, not within 1030.0"),
        (
            {"overload": ended(*[(10, 200, 0)] * 98, *[(1031, 200, 0)] * 2)},
            "1031.0 ms, not within 1030.0",
        ),
        ({"slow": (came(16),)}, "1.6 times that without"),
        ({"slow": (ended(*[(10, 200, 0)] * 98, *[(10, 503, 1)] * 2),)}, "98 of 100 requests"),
        (
            {"slow": (ended(*[(10, 200, 0)] * 99, (10, HUNG, 0)),)},
            "Beside slow clients 1 requests hung",
        ),
    ],
)
def test_the_long_form_tells_what_was_not_kept(changed: dict[str, Any], told: str) -> None:
    (sentence,) = replace(KEPT, **changed).broken()
    assert told in sentence


@pytest.mark.parametrize(("recovery", "status"), [(1.0, 0), (1.1, 1)])
def test_the_long_form_ends_with_1_when_a_promise_was_not_kept(
    monkeypatch: pytest.MonkeyPatch, recovery: float, status: int
) -> None:
    found = replace(KEPT, recovery=recovery)
    monkeypatch.setattr("sys.argv", ["overload"])
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
    assert "under overload was nan ms" in told
    assert "nan times that without" in told
