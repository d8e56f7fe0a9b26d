"""gunicorn's threaded worker, which refuses what is no HTTP with a problem document.

Such a request never reaches the app, so that no dialect can word the refusal; gunicorn's own
is a page of HTML. Whichever path was asked for, here it is RFC 9457.
"""

from http import HTTPStatus
from typing import Any

from gunicorn.http.errors import (
    ExpectationFailed,
    LimitRequestHeaders,
    LimitRequestLine,
    ParseException,
    UnsupportedTransferCoding,
)
from gunicorn.util import write_nonblock
from gunicorn.workers.gthread import ThreadWorker

STATUS = {
    LimitRequestLine: HTTPStatus.REQUEST_URI_TOO_LONG,
    LimitRequestHeaders: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    ExpectationFailed: HTTPStatus.EXPECTATION_FAILED,
    UnsupportedTransferCoding: HTTPStatus.NOT_IMPLEMENTED,
}
SHOWN = 200  # characters of what gunicorn says, which repeats what came


class Worker(ThreadWorker):
    """A worker whose refusals are problem documents."""

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


def refusal(status: HTTPStatus, said: str) -> bytes:
    """The whole HTTP answer."""
    from service.dialects import native  # noqa: PLC0415  not before the fork

    reply = native.problem(status, f"{said}; send a request as RFC 9112 has it.")
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nConnection: close\r\n"
        f"Content-Type: {reply.content_type}\r\nContent-Length: {len(reply.body)}\r\n\r\n"
    )
    return head.encode() + reply.body
