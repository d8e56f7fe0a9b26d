"""gunicorn's threaded worker, which refuses in our words and loses nobody when it ends.

A request that is no HTTP never reaches the app, so that no dialect can word the refusal;
gunicorn's own is a page of HTML. Whichever path was asked for, here it is RFC 9457.
"""

from collections.abc import Callable
from http import HTTPStatus
from socket import socket
from typing import Any

from gunicorn.http.errors import (
    ExpectationFailed,
    LimitRequestHeaders,
    LimitRequestLine,
    ParseException,
    UnsupportedTransferCoding,
)
from gunicorn.util import write_nonblock

from service.gthread import BoundedThreadWorker

STATUS = {
    LimitRequestLine: HTTPStatus.REQUEST_URI_TOO_LONG,
    LimitRequestHeaders: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    ExpectationFailed: HTTPStatus.EXPECTATION_FAILED,
    UnsupportedTransferCoding: HTTPStatus.NOT_IMPLEMENTED,
}
SHOWN = 200  # characters of what gunicorn says, which repeats what came


class Worker(BoundedThreadWorker):
    """Refuses with problem documents, and answers whom the kernel has let in before it ends."""

    leaving: Callable[[], bool]  # set before the first request

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Answer a request that could not be read; gunicorn closes the connection after it."""
        if not isinstance(exc, ParseException):
            super().handle_error(req, client, addr, exc)
            return
        said = str(exc)[:SHOWN]
        self.log.warning("Invalid request from %s: %s", addr[0] if addr else "a socket", said)
        try:
            write_nonblock(client, refusal(STATUS.get(type(exc), HTTPStatus.BAD_REQUEST), said))
        except OSError:
            self.log.debug("The client left before it was refused.")

    def handle_request(self, req: Any, conn: Any) -> bool:
        """Let the answer close its connection while the service leaves, as if too many were kept.

        Unlike no keep-alive at all, it leaves those alone whose last answer promised to be kept.
        """
        if self.leaving():
            self.max_keepalived = 0
        return super().handle_request(req, conn)

    def set_accept_enabled(self, enabled: bool | None) -> None:  # noqa: FBT001
        """When it is over, answer whom the kernel has let in, and let nobody in any more.

        gunicorn leaves the port open until the last request has ended. Who connects meanwhile
        waits in the backlog for an answer and gets a reset, which nobody may repeat blindly; a
        connection that is refused, everybody may.
        """
        super().set_accept_enabled(enabled)
        if not enabled and not self.alive:
            for listener in self.sockets:
                self._accept_waiting(listener)
                listener.close()

    def _accept_waiting(self, listener: socket) -> None:
        """Accept until nobody waits: `accept` counts whom it let in."""
        before = -1
        while self.nr_conns != before:
            before = self.nr_conns
            self.accept(listener)


def refusal(status: HTTPStatus, said: str) -> bytes:
    """The whole HTTP answer."""
    from service.dialects import native  # noqa: PLC0415  not before the fork

    reply = native.problem(status, f"{said}; send a request as RFC 9112 has it.")
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nConnection: close\r\n"
        f"Content-Type: {reply.content_type}\r\nContent-Length: {len(reply.body)}\r\n\r\n"
    )
    return head.encode() + reply.body
