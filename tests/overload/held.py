"""A server that holds what it is asked until it is let go, and counts what it has in hand."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from service.gate.overload import OPERATIONS
from tests.servers import in_thread


class Holding(ThreadingHTTPServer):
    """Answers health and metrics at once."""

    request_queue_size = 1024

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.most = 0  # requests that it had in hand at once
        self._in_hand = 0
        self._lock = threading.Lock()
        self._let_go = threading.Event()

    def hold(self) -> None:
        """Count one more request until all are let go."""
        with self._lock:
            self._in_hand += 1
            self.most = max(self.most, self._in_hand)
        self._let_go.wait()
        with self._lock:
            self._in_hand -= 1

    def let_go(self) -> None:
        """Answer all, and hold none any more."""
        self._let_go.set()


class _Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Holding

    def do_GET(self) -> None:
        if self.path not in OPERATIONS:
            self.server.hold()
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def holding() -> Iterator[Holding]:
    """Such a server, on a port of its own."""
    with in_thread(Holding()) as server:
        try:
            yield server
        finally:
            server.let_go()
