"""A kept connection that sends bytes as they are and reads one answer at a time."""

import json
import socket
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from select import select
from typing import Any, NoReturn

from tests.servers import PATIENCE

# A server's own word for HTTP that it does not speak: a transfer coding, a version.
NOT_SPOKEN = {501, 505}


def strict_json(text: bytes) -> Any:
    """What a text of JSON says that has neither NaN nor infinity."""

    def refuse(constant: str) -> NoReturn:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)


class NoHTTPError(Exception):
    """What came back is no HTTP answer."""


def read_head(head: bytes) -> tuple[int, dict[str, str]]:
    """The status of an answer and its headers; raises NoHTTPError."""
    first, *lines = head.decode("latin-1").split("\r\n")
    if not first.startswith(("HTTP/1.1 ", "HTTP/1.0 ")):
        raise NoHTTPError(f"begins with {first[:200]!r}")
    pairs = (line.partition(":") for line in lines)
    return int(first[9:12]), {name.lower(): value.strip() for name, _, value in pairs}


@dataclass(frozen=True)
class Answer:
    """One answer; header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def closes(self) -> bool:
        """Whether the server said that no other answer follows."""
        return self.headers.get("connection", "").lower() == "close"


class Connection:
    """One TCP connection to a port of this machine.

    After `quiet` seconds of silence it says that nothing more will be sent, so that a server that
    waits for the rest of a request need not wait for ever; 0 never says so.
    """

    def __init__(self, port: int, quiet: float = 0.0) -> None:
        self._quiet = quiet
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = b""

    def send(self, raw: bytes) -> None:
        """Send; a server that has refused already may stop reading."""
        with suppress(BrokenPipeError, ConnectionResetError):
            self._socket.sendall(raw)

    def finish(self) -> None:
        """Tell the server that nothing more will be sent."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def read(self, *, bodiless: bool = False) -> Answer | None:
        """The next answer, None when the server has closed; raises NoHTTPError and TimeoutError."""
        while b"\r\n\r\n" not in self._buffer:
            if not self._more():
                if self._buffer:
                    raise NoHTTPError(f"broke off after {self._buffer[:200]!r}")
                return None
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        status, headers = read_head(head)
        if status < 200:
            return self.read(bodiless=bodiless)
        size = 0 if bodiless or status in {204, 304} else int(headers.get("content-length", 0))
        while len(self._buffer) < size:
            if not self._more():
                raise NoHTTPError(f"{len(self._buffer)} bytes of {size} in the body")
        body, self._buffer = self._buffer[:size], self._buffer[size:]
        return Answer(status, headers, body)

    def close(self) -> None:
        """Close it."""
        self._socket.close()

    def _more(self) -> bool:
        if self._quiet and not select([self._socket], [], [], self._quiet)[0]:
            self.finish()
        try:
            part = self._socket.recv(1 << 16)
        except ConnectionResetError:
            return False
        self._buffer += part
        return bool(part)


CLOSED = Answer(0, {}, b"")  # nothing came before the end


def pipelined(port: int, raws: Sequence[bytes], window: int = 16) -> list[Answer]:
    """The answers to requests sent on kept connections, up to `window` of them at once.

    What a server closes before it answers is asked once more, by itself.
    """
    found: list[Answer] = []
    at_once, connection = window, Connection(port)
    while len(found) < len(raws):
        some = raws[len(found) : len(found) + at_once]
        connection.send(b"".join(some))
        came = list(_answers(connection, some))
        if len(came) < len(some) or came[-1].closes:
            connection.close()
            connection = Connection(port)
        found += came or ([CLOSED] if at_once == 1 else [])
        at_once = window if came or at_once == 1 else 1
    connection.close()
    return found


def _answers(connection: Connection, raws: Sequence[bytes]) -> Iterator[Answer]:
    """One for each, until the server closes; whoever closes may lose the rest of an answer."""
    for raw in raws:
        try:
            answer = connection.read(bodiless=raw.startswith(b"HEAD "))
        except NoHTTPError:
            if len(raws) == 1:
                raise
            return
        if not answer:
            return
        yield answer
        if answer.closes:
            return
