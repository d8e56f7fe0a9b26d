"""An answer as bytes."""

import re
from functools import lru_cache
from http import HTTPStatus

from service.exchange import Headers, Response

BODILESS = {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
PHRASES = {status.value: status.phrase for status in HTTPStatus}


def encode(response: Response, more: str, *, to_head: bool = False) -> bytes:
    """The head and the body; `more` are lines of the head. An answer to HEAD has no body."""
    body = response.body
    lines = _lines(response.headers) + more if response.headers else more
    if response.status in BODILESS:
        start, body = f"HTTP/1.1 {response.status} {PHRASES[response.status]}", b""
    else:
        start = f"{_start(response.status, response.content_type)}{len(body)}"
    head = f"{start}\r\n{lines}\r\n".encode("latin-1", "replace")
    return head if to_head else head + body


def _lines(headers: Headers) -> str:
    return "".join([f"{name}: {CONTROL.sub(' ', value)}\r\n" for name, value in headers])


@lru_cache(256)
def _start(status: int, content_type: str) -> str:
    return (
        f"HTTP/1.1 {status} {PHRASES.get(status, '')}\r\n"
        f"Content-Type: {CONTROL.sub(' ', content_type)}\r\nContent-Length: "
    )
