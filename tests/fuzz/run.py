"""Put a server through so many requests, and count what came."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Self

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.fuzz.asked import ASKED, Request
from tests.fuzz.connection import Answer, Connection, NoHTTPError
from tests.fuzz.judge import judge, refused
from tests.fuzz.shapes import PROBE, SHAPES
from tests.servers import Server

QUIET = 0.25  # seconds after which a server is taken to wait for more of a request
SHAPE = "no HTTP"
BATCH = 1000  # requests that Hypothesis draws under one seed


@dataclass
class Findings:
    """What one strategy met: statuses (0 where the server closed without an answer)."""

    statuses: Counter[int] = field(default_factory=Counter)
    slowest: float = 0.0
    failures: list[str] = field(default_factory=list)

    @property
    def requests(self) -> int:
        """How many requests there were."""
        return self.statuses.total()

    def note(self, status: int, began: float) -> None:
        """Count one."""
        self.statuses[status] += 1
        self.slowest = max(self.slowest, time.perf_counter() - began)

    @contextmanager
    def going_on(self, asked: object) -> Iterator[None]:
        """Note what is not as it must be, so that the next request is asked."""
        try:
            yield
        except (AssertionError, OSError, NoHTTPError, ValueError) as error:
            self.failures.append(f"{error!r:.3000}\n  for {asked!r:.3000}")

    def __str__(self) -> str:
        told = ", ".join(f"{status}: {times}" for status, times in sorted(self.statuses.items()))
        return f"{self.requests} | {told} | {1000 * self.slowest:.0f}"


class Fuzzer:
    """Asks one server; raises AssertionError for an answer that is not as it must be."""

    def __init__(self, server: Server) -> None:
        self._port = server.port
        self._connection = Connection(server.port)
        self._ids = count(1)
        self.found = Findings()

    def ask(self, asked: Request) -> None:
        """One request that is HTTP, over the kept connection."""
        request_id, began = f"asked-{next(self._ids)}", time.perf_counter()
        closes = True
        try:
            answer = self._answered(asked, request_id)
            judge(asked, request_id, answer)
            closes = answer.closes
        finally:
            if closes:
                self._reconnect()
        self.found.note(answer.status, began)

    def shape(self, shape: bytes) -> None:
        """One request that may be no HTTP, and an honest one behind it, over a connection."""
        connection, began = Connection(self._port, QUIET), time.perf_counter()
        try:
            connection.send(shape + PROBE)
            first = connection.read()
            self.found.note(first.status if first else 0, began)
            answers = [first, *read_all(connection)] if first else []
        finally:
            connection.close()
        for answer in answers:
            refused(answer)
            assert answer.headers.get("x-request-id") != "smuggled", answers
        for other in answers[1:]:  # what follows a length that was too short is refused
            assert other.closes or other.headers.get("x-request-id") == "probe", answers
        assert len(answers) <= 2, answers

    def _answered(self, asked: Request, request_id: str) -> Answer:
        """The answer; a connection that the server closed in between is opened again, once."""
        for _ in range(2):
            self._connection.send(asked.raw(request_id))
            answer = self._connection.read(bodiless=asked.method == "HEAD")
            if answer:
                return answer
            self._reconnect()
        raise AssertionError("closed without an answer")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def _reconnect(self) -> None:
        self._connection.close()
        self._connection = Connection(self._port)


def read_all(connection: Connection) -> list[Answer]:
    """Every further answer until the server closes, or it has answered the probe."""
    answers: list[Answer] = []
    while answer := connection.read():
        answers.append(answer)
        if answer.headers.get("x-request-id") == "probe":
            break
    return answers


def explore(
    strategy: st.SearchStrategy[Any], ask: Callable[[Any], object], many: int, at: int = 0
) -> None:
    """Ask `many` requests of a strategy, the same ones for the same seed `at`, in batches."""
    for start in range(0, many, BATCH):
        some = settings(
            max_examples=min(BATCH, many - start),
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )

        def each(asked: Any) -> None:
            ask(asked)

        seed(at + start)(some(given(strategy)(each)))()


def fuzz(name: str, server: Server, many: int) -> Findings:
    """Ask so many requests of a name; gives what they met."""
    with Fuzzer(server) as fuzzer:
        strategy, each = (SHAPES, fuzzer.shape) if name == SHAPE else (ASKED[name], fuzzer.ask)

        def ask(asked: Any) -> None:
            with fuzzer.found.going_on(asked):
                each(asked)

        explore(strategy, ask, many)
    return fuzzer.found
