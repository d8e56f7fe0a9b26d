"""A connection as a function of bytes: the same give the same answers, wherever they are cut."""

import asyncio
from collections.abc import Callable
from itertools import pairwise
from random import Random
from time import monotonic
from typing import Any, cast

from service.exchange import Response
from service.server.connection import Connection
from service.server.line import Line
from service.server.listener import Listener, Shares
from service.settings import Settings
from tests.server.tiny import Tiny

NOTHING = Response(200, b"", "text/plain")
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Loop:
    """As much of a loop as a connection asks for."""

    time = staticmethod(monotonic)

    def __init__(self) -> None:
        self.soon: list[Callable[[], None]] = []

    def call_soon(self, callback: Callable[[], None]) -> None:
        self.soon.append(callback)

    def run(self) -> None:
        while self.soon:
            self.soon.pop(0)()


class Transport:
    """Keeps what is written, in the order of things."""

    def __init__(self) -> None:
        self.written = b""
        self.closed = False

    def write(self, data: bytes) -> None:
        assert not self.closed
        self.written += data

    def close(self) -> None:
        self.closed = True

    def write_eof(self) -> None:
        self.closed = True

    def abort(self) -> None:
        raise AssertionError("an exception was caught")

    def can_write_eof(self) -> bool:
        return True

    def get_extra_info(self, _: str) -> None:
        """No TLS."""

    def pause_reading(self) -> None:
        """What comes is kept."""

    def resume_reading(self) -> None:
        """And read then."""


async def _listener() -> Listener:
    return Listener(Tiny(), Settings(), cast("Any", None), Shares(1), bool)


class Http:
    """Answers bytes as a connection does that gets no others."""

    def __init__(self) -> None:
        self._listener = asyncio.run(_listener())
        self._loop = Loop()
        self._listener.loop = cast("Any", self._loop)
        self._listener.line = Line(cast("Any", self._loop), 64)

    def __call__(self, data: bytes) -> Response:
        """The last answer; the first byte of `data` says where the others are cut."""
        at_once = self._written([data[1:]])
        random = Random(data[:1])  # noqa: S311  the same for the same bytes
        places = sorted(random.randint(0, len(data)) for _ in range(1 + len(data) // 9))
        edges = [1, *(place for place in places if place > 1), len(data)]
        in_parts = self._written([data[start:end] for start, end in pairwise(edges)])
        if b"HEAD " in data:  # whose answers do not end where they say
            return NOTHING
        found = answers(at_once)
        # llhttp gives another reason when it has seen less of what is none.
        assert answers(in_parts)[:-1] == found[:-1]
        assert in_parts == at_once or b"X-Request-Id" not in at_once[at_once.rfind(b"HTTP/1.1 ") :]
        return found[-1]

    def _written(self, parts: list[bytes]) -> bytes:
        connection = Connection(self._listener, "127.0.0.1")
        transport = Transport()
        connection.connection_made(cast("Any", transport))
        for part in filter(None, parts):
            connection.data_received(part)
            self._loop.run()
        connection.eof_received()
        self._loop.run()
        connection.connection_lost(None)
        assert transport.closed
        return transport.written.replace(CONTINUE, b"")


def answers(written: bytes) -> list[Response]:
    """Each answer of a connection, none of them to HEAD; before them one that nobody sent."""
    found = [NOTHING]
    while written:
        head, end, written = written.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        assert end
        assert first.startswith("HTTP/1.1 ")
        headers = dict(line.split(": ", 1) for line in lines)
        size = int(headers["Content-Length"])
        body, written = written[:size], written[size:]
        found.append(Response(int(first[9:12]), body, headers["Content-Type"]))
    return found
