"""Between an exchange and the Flask app, for operations that are not answered in the loop."""

import sys
from collections.abc import Iterable
from io import BytesIO
from typing import Any

from service.api.flask_app import EXCHANGE
from service.exchange import Application, Exchange, Request, Response


def answer(application: Application, exchange: Exchange) -> None:
    """Have Flask answer an exchange."""
    started: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], *_: object) -> None:
        started.append((status, headers))

    asked = environ(exchange)
    try:
        body = _joined(application.wsgi(asked, start_response))
    finally:
        del asked["wsgi.input"]  # see Application.leave
    status, headers = started[-1]
    exchange.response = _response(int(status[:3]), headers, body)


def environ(exchange: Exchange) -> dict[str, Any]:
    """The exchange as PEP 3333 has it."""
    request = exchange.request
    return {
        # An answer to HEAD is that to GET; the server leaves its body out.
        "REQUEST_METHOD": "GET" if request.method == "HEAD" else request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": request.path.encode().decode("latin-1"),
        "QUERY_STRING": request.query,
        "CONTENT_TYPE": request.header("content-type"),
        "CONTENT_LENGTH": str(len(request.body)),
        "SERVER_NAME": "localhost",  # for HTTP/1.0; Host goes before it
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": f"HTTP/{request.version}",
        "REMOTE_ADDR": request.client,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": request.scheme,
        "wsgi.input": BytesIO(request.body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        **_headers(request),
        EXCHANGE: exchange,
    }


def _headers(request: Request) -> dict[str, str]:
    """All headers but those that tell where a body ends, for it has been read."""
    framing = {"content-type", "content-length", "transfer-encoding"}
    return {
        f"HTTP_{name.upper().replace('-', '_')}": value
        for name, value in request.headers.items()
        if name not in framing
    }


def _joined(content: Iterable[bytes]) -> bytes:
    try:
        return b"".join(content)
    finally:
        getattr(content, "close", lambda: None)()


def _response(status: int, headers: list[tuple[str, str]], body: bytes) -> Response:
    """The server tells the length and the time itself."""
    own = {"content-type", "content-length", "date"}
    told = {name.lower(): value for name, value in headers}
    rest = tuple(pair for pair in headers if pair[0].lower() not in own)
    return Response(status, body, told.get("content-type", ""), rest)
