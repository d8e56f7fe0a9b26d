"""A connection as a function of bytes: the same give the same answers, wherever they are cut."""

import asyncio
from collections import deque
from collections.abc import Callable
from itertools import pairwise
from random import Random
from time import monotonic
from types import SimpleNamespace
from typing import Any, cast

from service.exchange import Response
from service.server.connection import Connection
from service.server.line import Line
from service.server.listener import Listener, Shares
from service.settings import Settings
from tests.fuzz.connection import read_head
from tests.server.tiny import Tiny

NOTHING = Response(200, b"", "text/plain")
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Transport(asyncio.Transport):
    """Keeps what is written, in the order of things; it cannot abort, as after an exception."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.closed
        self.written += data

    def close(self) -> None:
        self.closed = True

    write_eof = close

    def can_write_eof(self) -> bool:
        return True

    def pause_reading(self) -> None:
        """What comes is kept."""

    resume_reading = pause_reading


async def _listener() -> Listener:
    return Listener(Tiny(), Settings(), cast("Any", None), Shares(1), bool)


class Http:
    """Answers bytes as a connection does that gets no others."""

    def __init__(self) -> None:
        self._listener = asyncio.run(_listener())
        self._soon = deque[Callable[[], None]]()
        loop = SimpleNamespace(time=monotonic, call_soon=self._soon.append)
        self._listener.loop = cast("Any", loop)
        self._listener.line = Line(self._listener.loop, 64)

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
        connection, transport = Connection(self._listener, "127.0.0.1"), Transport()
        connection.connection_made(transport)
        for part in filter(None, parts):
            connection.data_received(part)
            self._turn()
        connection.eof_received()
        self._turn()
        connection.connection_lost(None)
        assert transport.closed
        return transport.written.replace(CONTINUE, b"")

    def _turn(self) -> None:
        while self._soon:
            self._soon.popleft()()


def answers(written: bytes) -> list[Response]:
    """Each answer of a connection, none of them to HEAD; before them one that nobody sent."""
    found = [NOTHING]
    while written:
        head, end, written = written.partition(b"\r\n\r\n")
        assert end
        assert head.startswith(b"HTTP/1.1 ")
        status, headers = read_head(head)
        size = int(headers["content-length"])
        body, written = written[:size], written[size:]
        found.append(Response(status, body, headers["content-type"]))
    return found
