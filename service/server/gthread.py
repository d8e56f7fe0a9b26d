"""gunicorn's threaded worker, with an end to what waits in it.

gunicorn hands each request to a pool of threads whose queue has no end: under more load than
they carry, all are answered, ever later, and none is refused. Here the main thread counts what
it has handed on. What comes on top of MAX_IN_FLIGHT it refuses itself, for a fraction of what
a thread would cost. Connections that nobody is needed for wait in the poller: those between two
requests, those that have not said anything yet, and those whose clients have yet to close.
"""

import sys
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from io import BytesIO
from itertools import islice
from selectors import EVENT_READ
from socket import MSG_DONTWAIT, MSG_PEEK, SHUT_WR
from time import monotonic
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from gunicorn.http import RequestParser
from gunicorn.workers.gthread import TConn, ThreadWorker

from service.gate.overload import OPERATIONS, RESERVED, TURNED_AWAY
from service.server.framing import is_whole
from service.settings import Settings

if TYPE_CHECKING:
    from concurrent.futures import Future

READ = 64 * 1024  # bytes of a refused request that are looked at, and taken from the socket

LINGER = 2.0  # seconds that a client has to close its end, as in gunicorn


class BoundedThreadWorker(ThreadWorker):
    """Counts in the main thread alone, so it needs no lock."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._in_hand = 0
        self._parting: deque[TConn] = deque()  # answered, until their clients have closed as well
        # With few files, at most a third of the places is for those in hand.
        self._bound = max(1, min(Settings().max_in_flight, self.worker_connections // 3))
        # All that are in hand when the last place is taken may be kept as well, and as many follow.
        self.max_keepalived = self.worker_connections - 2 * (self._bound + RESERVED)

    def enqueue_req(self, conn: TConn) -> None:
        """Hand a connection that has a request to a thread, or refuse it."""
        if conn.parser is None and not conn.data_ready:
            self._wait(conn)
            return
        if self._in_hand < self._bound or not self.alive or self._has_read_on(conn):
            self._hand_on(conn)
            return
        if self.cfg.is_ssl:  # nothing that a client could read can be said without a thread
            self._drop(conn)
            return
        try:
            begun = conn.sock.recv(READ, MSG_PEEK | MSG_DONTWAIT)
        except BlockingIOError:
            self._wait(conn)
        except OSError:
            self._drop(conn)
        else:
            self._decide(conn, begun)

    def finish_request(self, conn: TConn, fs: "Future[Any]") -> None:
        """Take a connection back from a thread."""
        self._in_hand -= 1
        if fs.exception() is None and fs.result() is False:
            self._part(conn)
        else:
            super().finish_request(conn, fs)

    def murder_pending(self) -> None:
        """Close what has been silent for too long; for longest, where new ones find no place."""
        now = monotonic()
        while self._parting and ((self._parting[0].timeout or 0) <= now or self._surplus > 0):
            self._parted(self._parting[0])
        for conn in islice(self.pending_conns, max(self._surplus, 0)):
            conn.timeout = 0.0
        super().murder_pending()

    @property
    def _surplus(self) -> int:
        """How many connections have to go before another is accepted."""
        return self.nr_conns - self.worker_connections + 1

    def _cap_keepalive(self, deadline: float) -> None:
        """Do not let the silent ones hold a stop for longer than the kept ones."""
        super()._cap_keepalive(deadline)  # type: ignore[misc]  # its stubs are of an older one
        for conn in self.pending_conns:
            conn.timeout = min(conn.timeout or deadline, deadline)

    def _hand_on(self, conn: TConn) -> None:
        self._in_hand += 1
        super().enqueue_req(conn)

    def _decide(self, conn: TConn, begun: bytes) -> None:
        """Let a watcher through and refuse everyone else, by the beginning of the request."""
        method, _, rest = begun.partition(b"\r\n")[0].decode("latin-1").partition(" ")
        path, _, query = rest.partition(" ")[0].partition("?")
        if not (method.isupper() and path.startswith("/")):
            method, path, query = "-", "/", ""  # no request line: a key may be in it, for the log
        if path in OPERATIONS and self._in_hand < self._bound + RESERVED:
            self._hand_on(conn)
        elif begun:
            self._refuse(conn, begun, method, path, query)
        else:  # the client has closed
            self._drop(conn)

    def _refuse(self, conn: TConn, begun: bytes, method: str, path: str, query: str) -> None:
        kept = is_whole(begun) and len(self.keepalived_conns) < self.max_keepalived
        try:
            refusal = self._refusal(conn, method, path, query, kept=kept)
        except Exception:  # whoever is told of it may fail, and all others depend on this thread
            self.log.exception("A refusal failed; its connection is closed.")
            self._drop(conn)
            return
        with suppress(OSError):
            # What is unread would reset a connection that is closed.
            conn.sock.recv(len(begun) if kept else READ, MSG_DONTWAIT)
            sent = conn.sock.send(refusal, MSG_DONTWAIT)
            if kept and sent == len(refusal):
                self._keep(conn)
                return
            conn.sock.shutdown(SHUT_WR)
        self._drop(conn)

    def _refusal(self, conn: TConn, method: str, path: str, query: str, *, kept: bool) -> bytes:
        """The service's own words, for it also counts what it refuses (PEP 3333)."""
        lines: list[str] = []

        def start_response(status: str, headers: Iterable[tuple[str, str]], *_: object) -> None:
            lines.append(f"HTTP/1.1 {status}")
            lines.extend(f"{name}: {value}" for name, value in headers)

        environ = {
            "REQUEST_METHOD": method,
            "PATH_INFO": unquote(path, "latin-1"),
            "QUERY_STRING": query,
            "REMOTE_ADDR": conn.client[0] if isinstance(conn.client, tuple) else "",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "wsgi.url_scheme": "http",
            "wsgi.input": BytesIO(),
            "wsgi.errors": sys.stderr,
            TURNED_AWAY: True,
        }
        body = b"".join(self.wsgi(environ, start_response))
        lines.append(f"Connection: {'keep-alive' if kept else 'close'}")
        head = "\r\n".join([*lines, "", ""])
        return head.encode("latin-1") + body

    def _keep(self, conn: TConn) -> None:
        """Look at a connection again when its next request has begun to come."""
        self._lay_by(
            conn, self.keepalived_conns, self.on_client_socket_readable, self.cfg.keepalive
        )

    def _wait(self, conn: TConn) -> None:
        """Look at a connection again when its first request has begun to come."""
        self._lay_by(conn, self.pending_conns, self.on_pending_socket_readable, self.cfg.keepalive)

    def _part(self, conn: TConn) -> None:
        """Close a connection when its client has; gunicorn waits for that, and nobody gets in."""
        try:
            conn.sock.shutdown(SHUT_WR)
        except OSError:
            self._drop(conn)
        else:
            self._lay_by(conn, self._parting, self._on_parting_readable, LINGER)

    def _on_parting_readable(self, conn: TConn, _: object) -> None:
        """Read over what still comes: unread, it would reset the answer."""
        try:
            more = conn.sock.recv(READ)
        except BlockingIOError:
            return
        except OSError:
            more = b""
        if not more:
            self._parted(conn)

    def _parted(self, conn: TConn) -> None:
        self.poller.unregister(conn.sock)
        self._parting.remove(conn)
        self._drop(conn)

    def _lay_by(
        self, conn: TConn, place: deque[TConn], readable: Callable[..., None], seconds: float
    ) -> None:
        conn.sock.setblocking(False)
        conn.timeout = monotonic() + seconds
        place.append(conn)
        self.poller.register(conn.sock, EVENT_READ, partial(readable, conn))

    def _drop(self, conn: TConn) -> None:
        self.nr_conns -= 1
        conn.close()

    @staticmethod
    def _has_read_on(conn: TConn) -> bool:
        """Whether a thread has read the beginning of the next request already."""
        parser = conn.parser
        return isinstance(parser, RequestParser) and bool(parser.unreader.buf.getvalue())
