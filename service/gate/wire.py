"""Between WSGI (PEP 3333) and the dialects: a body read whole, a Reply sent.

The guard reads each body once and leaves it in the environ, so that Flask's routes and the
fast path hand the dialects the same bytes.
"""

from collections.abc import Callable, Iterable
from typing import Any

from werkzeug.http import HTTP_STATUS_CODES

from models.numbers import whole
from service.api.answers import Reply, Request
from service.errors import BodyTooLarge, MalformedBody
from service.gate.room import SMALL, Held

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
App = Callable[[Environ, StartResponse], Iterable[bytes]]

# What the layers leave in the environ for the ones below them, and for the observer.
BODY = "service.body"
REQUEST_ID = "service.request_id"
ROUTE = "service.route"
ANSWERED = "service.answered"  # the headers of the answer, where an observer is told
UNANSWERED = "service.unanswered"  # no operation is at this path: the body is not read
REFUSAL = "service.refusal"  # the name of the error that the guard refused with

# Flask's status lines, so that both ways answer with the same bytes.
STATUS_LINES = {code: f"{code} {phrase.upper()}" for code, phrase in HTTP_STATUS_CODES.items()}


def read_body(environ: Environ, limit: int, held: Held) -> bytes:
    """The whole body, chunked or not, once there is room for it; empty when none was sent.

    Raises BodyTooLarge when it is over `limit` bytes, of which no more than a part beyond the
    limit is read, Overloaded when there is no room, and MalformedBody when it breaks off.
    """
    size = _size(environ, limit)
    if size is not None:
        held.grow(size)
        return _read(environ, size)
    if not environ.get("wsgi.input_terminated"):  # its end would never be seen
        return b""
    parts, size = [], 0
    while part := _read(environ, SMALL):
        size += len(part)
        if size > limit:
            raise BodyTooLarge(_too_large(limit))
        held.grow(size)
        parts.append(part)
    return b"".join(parts)


def _read(environ: Environ, size: int) -> bytes:
    try:
        return environ["wsgi.input"].read(size) if size else b""
    except Exception as error:  # each server has errors of its own for a client that stops
        raise MalformedBody("The body broke off before its end; send it again.") from error


def _size(environ: Environ, limit: int) -> int | None:
    """The bytes that were announced, None where the body is its own end (chunked)."""
    length = environ.get("CONTENT_LENGTH")
    if not length or environ.get("HTTP_TRANSFER_ENCODING", "").lower() == "chunked":
        return None
    size = whole(length, limit)
    if size is not None:
        return size
    if length.isdecimal():
        raise BodyTooLarge(_too_large(limit))
    raise MalformedBody(f"expected Content-Length in digits, received {length[:40]!r}.")


def _too_large(limit: int) -> str:
    return (
        f"The body is larger than MAX_BODY_BYTES allows, {limit} bytes; send fewer rows a request."
    )


def received(environ: Environ) -> Request:
    """The request as the dialects take it."""
    return Request(environ[BODY], environ)


def send(reply: Reply, start_response: StartResponse) -> list[bytes]:
    """Answer with a Reply, its headers in the order in which Flask sends them."""
    length = ("Content-Length", str(len(reply.body)))
    headers = [("Content-Type", reply.content_type), length, *reply.headers]
    start_response(STATUS_LINES[reply.status], headers)
    return [reply.body]


def answered_bytes(environ: Environ) -> int | None:
    """The bytes of the answer's body, by the headers ANSWERED; None where they do not tell."""
    headers = environ.get(ANSWERED, ())
    return next((int(value) for name, value in headers if name.lower() == "content-length"), None)
