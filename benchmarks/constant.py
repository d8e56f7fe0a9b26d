"""A WSGI app that reads the body and answers a constant: the floor of the server it runs on."""

import os
from collections.abc import Callable, Iterable
from typing import Any

ANSWER = os.environ["ANSWER"].encode()
HEADERS = [("Content-Type", "application/json"), ("Content-Length", str(len(ANSWER)))]


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer any POST with ANSWER."""
    environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    start_response("200 OK", HEADERS)
    return [ANSWER]
