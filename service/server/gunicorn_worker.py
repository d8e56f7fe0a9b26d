"""gunicorn's threaded worker, which refuses in our words and loses nobody when it ends.

A request that is no HTTP never reaches the app, so that no dialect can word the refusal;
gunicorn's own is a page of HTML. Whichever path was asked for, here it is RFC 9457.
"""

from collections.abc import Callable
from http import HTTPStatus
from socket import socket
from typing import Any

from gunicorn.http import errors
from gunicorn.http.errors import ParseException
from gunicorn.util import write_nonblock

from service.server.gthread import BoundedThreadWorker

STATUS = {
    errors.LimitRequestLine: HTTPStatus.REQUEST_URI_TOO_LONG,
    errors.LimitRequestHeaders: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    errors.ExpectationFailed: HTTPStatus.EXPECTATION_FAILED,
    errors.UnsupportedTransferCoding: HTTPStatus.NOT_IMPLEMENTED,
}
# gunicorn's own sentences repeat what came, where a key may be, as in a header without its colon.
SENTENCES = {
    errors.InvalidRequestLine: (
        "The request line cannot be read: expected a method, a path and a version, as in "
        "'GET /healthz HTTP/1.1'."
    ),
    errors.InvalidRequestMethod: (
        "The method is none: expected one in capitals, such as GET or POST."
    ),
    errors.InvalidHTTPVersion: "This version of HTTP is not spoken here: expected HTTP/1.1.",
    errors.LimitRequestLine: (
        "The request line is too long: expected at most 4,094 bytes; what is long goes in a body."
    ),
    errors.InvalidHeader: (
        "A header cannot be read or comes twice: expected lines as 'X-API-Key: KEY', with a colon "
        "and without control characters, ended by CR LF, and the length of a body told once, by "
        "Content-Length in digits or by 'Transfer-Encoding: chunked'."
    ),
    errors.InvalidHeaderName: (
        "The name of a header is none: expected letters, digits and hyphens with a colon right "
        "behind them, as in 'X-API-Key: KEY'."
    ),
    errors.ObsoleteFolding: "A header goes on in a second line: expected each in one.",
    errors.LimitRequestHeaders: (
        "The headers are too many or too long: expected at most 100, of 8,190 bytes each."
    ),
    errors.ExpectationFailed: (
        "What the header Expect asks for is not known: expected '100-continue', or no such header."
    ),
    errors.InvalidSchemeHeaders: (
        "The headers that tell whether HTTPS was spoken contradict each other: expected one of "
        "them, such as X-Forwarded-Proto."
    ),
    errors.UnsupportedTransferCoding: (
        "This transfer coding is not spoken here: expected 'chunked', or a Content-Length instead."
    ),
    errors.InvalidChunkSize: (
        "The size of a chunk cannot be read: expected hexadecimal digits, ended by CR LF."
    ),
    errors.InvalidChunkExtension: (
        "What stands behind the size of a chunk cannot be read: expected CR LF there."
    ),
    errors.ChunkMissingTerminator: (
        "A chunk does not end where its size says: expected CR LF there."
    ),
    errors.ConfigurationProblem: (
        "The path does not begin as the header SCRIPT_NAME says: expected no such header."
    ),
}
OTHERWISE = "The request cannot be read: expected HTTP/1.1."


class Worker(BoundedThreadWorker):
    """Refuses with problem documents, and answers whom the kernel has let in before it ends."""

    leaving: Callable[[], bool]  # set before the first request

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Answer a request that could not be read; gunicorn closes the connection after it."""
        if not isinstance(exc, ParseException):
            super().handle_error(req, client, addr, exc)
            return
        status = STATUS.get(type(exc), HTTPStatus.BAD_REQUEST)
        said = SENTENCES.get(type(exc), OTHERWISE)
        self.log.warning("Invalid request from %s: %s", addr[0] if addr else "a socket", said)
        try:
            write_nonblock(client, refusal(status, said))
        except OSError:
            self.log.debug("The client left before it was refused.")

    def handle_request(self, req: Any, conn: Any) -> bool:
        """Let the answer close its connection while the service leaves, as if too many were kept.

        Unlike no keep-alive at all, it leaves those alone whose last answer promised to be kept.
        """
        if self.leaving():
            self.max_keepalived = 0
        return super().handle_request(req, conn)

    def _keepalive_after(self, conn: Any, keepalive: bool) -> bool:  # noqa: FBT001
        """Close a connection whose answered request has a rest that cannot be read.

        gunicorn would answer that rest as well. A proxy takes the second answer to one request
        for that to the next one, and that may be somebody else's.
        """
        try:
            return bool(super()._keepalive_after(conn, keepalive))  # type: ignore[misc]
        except ParseException:
            return False

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
    from service.api.native.errors import OTHER  # noqa: PLC0415  not before the fork

    reply = OTHER.form(status, f"{said} RFC 9112 says how a request is written.")
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nConnection: close\r\n"
        f"Content-Type: {reply.content_type}\r\nContent-Length: {len(reply.body)}\r\n\r\n"
    )
    return head.encode() + reply.body
