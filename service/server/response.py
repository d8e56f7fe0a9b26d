"""An answer as bytes."""

import re
from functools import cache
from http import HTTPStatus

from service.exchange import Response

BODILESS = {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}
CLEAN = re.compile(r"[\x00-\x1f\x7f]").sub
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
PHRASES = {status.value: status.phrase for status in HTTPStatus}


def encode(response: Response, more: str, *, to_head: bool = False) -> bytes:
    """The head and the body; `more` are lines of the head. An answer to HEAD has no body."""
    body = response.body
    start = f"{_start(response.status, response.content_type)}{len(body)}"
    if response.status in BODILESS:
        start, body = f"HTTP/1.1 {int(response.status)} {PHRASES[response.status]}", b""
    if response.headers:
        more += "".join([f"{name}: {CLEAN(' ', value)}\r\n" for name, value in response.headers])
    head = f"{start}\r\n{more}\r\n".encode("latin-1", "replace")
    return head if to_head else head + body


@cache
def _start(status: int, content_type: str) -> str:
    """There are few of them: what is spoken here."""
    return (
        f"HTTP/1.1 {int(status)} {PHRASES.get(status, '')}\r\n"
        f"Content-Type: {CLEAN(' ', content_type)}\r\nContent-Length: "
    )
