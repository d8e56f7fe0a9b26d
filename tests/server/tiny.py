"""A server in a thread, and an application that tells what it was asked."""

import asyncio
import json
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from time import perf_counter
from typing import Any

import uvloop

from models.numbers import whole
from service.api.native.errors import NATIVE
from service.errors import BodyTooLarge, ServiceError, Unauthorized
from service.exchange import Exchange, Operation, Response
from service.server.listener import Listener, Shares
from service.settings import Settings
from tests.servers import PATIENCE, await_


class Tiny:
    """Answers /echo and /health in the loop, /slow by Flask's thread, /scrape by that of scrapes.

    What these two answer waits for `let_go`. A request with the header X-Refuse is not let in; one
    with X-Break cannot even be refused.
    """

    def __init__(self, max_body_bytes: int = 2**20) -> None:
        self.let_go = threading.Event()
        self.asked: list[str] = []  # the paths that were answered
        self.left: Counter[str] = Counter()  # the ids of those that are over
        self._max_body_bytes = max_body_bytes
        self._operations = {
            "/echo": self._operation("/echo", self._echo, hot=True),
            "/big": self._operation("/big", self._big, hot=True),
            "/hold": self._operation("/hold", self._slow, hot=True),
            "/work": self._operation("/work", self._work, hot=True),
            "/slow": self._operation("/slow", self._slow),
            "/fails": self._operation("/fails", self._fails),
            "/scrape": self._operation("/scrape", self._slow, watching=True),
            "/health": self._operation("/health", self._echo, hot=True, watching=True),
        }

    def enter(self, exchange: Exchange) -> None:
        request = exchange.request
        exchange.id = request.header("x-request-id") or "unnamed"
        exchange.operation = self._operations.get(request.path)
        exchange.dialect = NATIVE
        if exchange.operation is None:
            exchange.response = NATIVE.unmatched(request, ())
        elif request.header("x-refuse"):
            self.refuse(exchange, Unauthorized("No."))
        elif whole(request.header("content-length") or "0", self._max_body_bytes) is None:
            self.refuse(exchange, BodyTooLarge(self._max_body_bytes))

    def answer(self, exchange: Exchange) -> None:
        assert exchange.operation
        self.asked.append(exchange.request.path)
        exchange.response = exchange.operation.answer(exchange)

    def refuse(self, exchange: Exchange, error: Exception) -> None:
        if exchange.request.header("x-break"):
            raise ZeroDivisionError
        exchange.refusal = type(error).__name__
        known = error if isinstance(error, ServiceError) else ServiceError("It failed.")
        exchange.response = (
            NATIVE.refuse(known)
            if known is error
            else Response(HTTPStatus.INTERNAL_SERVER_ERROR, b"{}")
        )

    def leave(self, exchange: Exchange) -> None:
        self.left[exchange.id] += 1

    @staticmethod
    def _operation(path: str, answer: Callable[[Exchange], Response], **how: bool) -> Operation:
        return Operation(path[1:], "POST", path, answer, NATIVE, **how)  # type: ignore[arg-type]

    @staticmethod
    def _echo(exchange: Exchange) -> Response:
        request = exchange.request
        told = {
            "method": request.method,
            "path": request.path,
            "query": request.query,
            "headers": dict(request.headers),
            "body": request.body.decode("latin-1"),
        }
        return Response(HTTPStatus.OK, json.dumps(told).encode())

    @staticmethod
    def _big(exchange: Exchange) -> Response:
        return Response(HTTPStatus.OK, b"x" * int(exchange.request.query))

    def _slow(self, exchange: Exchange) -> Response:
        assert self.let_go.wait(PATIENCE)
        return self._echo(exchange)

    def _work(self, exchange: Exchange) -> Response:
        """It keeps the loop for 5 ms."""
        end = perf_counter() + 0.005
        while perf_counter() < end:
            pass
        return self._echo(exchange)

    @staticmethod
    def _fails(_: Exchange) -> Response:
        raise ZeroDivisionError


class Served:
    """A port that is listened on, and how to reach what is behind it from another thread."""

    def __init__(self, application: Tiny, settings: Settings) -> None:
        self.application = application
        self._settings = settings
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=512)
        self._socket.setblocking(False)
        self.port: int = self._socket.getsockname()[1]
        self.leaving = False
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(PATIENCE)

    def stop(self) -> None:
        """Tell it to stop, and wait until all connections are gone."""
        self.application.let_go.set()
        self.begin_to_stop()
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()

    def begin_to_stop(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)

    def connections(self) -> int:
        """How many the server has."""
        return self.listener.connections

    def connect(self, source: str = "127.0.0.1") -> socket.socket:
        """A client of that address."""
        return socket.create_connection(("127.0.0.1", self.port), PATIENCE, (source, 0))

    @staticmethod
    def answered(client: socket.socket, sent: bytes) -> bool:
        """Whether what a client asks is answered with 200."""
        client.sendall(sent)
        return client.recv(65536).startswith(b"HTTP/1.1 200 ")

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        self.listener = Listener(
            self.application, self._settings, self._socket, Shares(1), lambda: self.leaving
        )
        self.listener.listen()
        self._ready.set()
        await self._stopping.wait()
        await self.listener.stop()


@contextmanager
def served(**settings: Any) -> Iterator[Served]:
    """The tiny application behind a server with these settings."""
    known = Settings(**settings)
    server = Served(Tiny(known.max_body_bytes), known)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def exchanged(port: int, sent: bytes, *, finish: bool = True) -> bytes:
    """All that comes for these bytes until the server closes."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as client:
        client.sendall(sent)
        if finish:
            client.shutdown(socket.SHUT_WR)
        return received(client)


def received(client: socket.socket) -> bytes:
    """All that comes until the server closes."""
    parts = []
    while part := client.recv(65536):
        parts.append(part)
    return b"".join(parts)


def is_closed(client: socket.socket) -> bool:
    """Wait for nothing: whether the server has closed."""
    client.setblocking(False)
    try:
        return client.recv(65536) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


def await_closed(client: socket.socket) -> None:
    await_(lambda: is_closed(client), "the server closes")


def post(path: str = "/echo", body: bytes = b"", *headers: bytes, name: bytes = b"one") -> bytes:
    """A request with a body of a known length."""
    lines = [
        b"POST %b HTTP/1.1" % path.encode(),
        b"Host: a",
        b"X-Request-Id: " + name,
        b"Content-Length: %d" % len(body),
        *headers,
    ]
    return b"\r\n".join([*lines, b"", body])
