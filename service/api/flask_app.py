"""The operations as a Flask app, which any WSGI server can run (PEP 3333).

Flask's rules are made from the table, and what the table found Flask does not look for again.
Our own server has entered an exchange before it asks Flask; for any other it is done here.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from http import HTTPStatus
from io import BytesIO
from time import perf_counter
from typing import Any

from flask import Flask, request
from flask import Request as FlaskRequest
from flask import Response as FlaskResponse
from werkzeug.http import HTTP_STATUS_CODES
from werkzeug.routing import MapAdapter, Rule

from service.api.table import Table
from service.errors import BodyTooLarge, MalformedBody, Overloaded, ServiceError
from service.exchange import Application, Exchange, Headers, Request, Response
from service.gate.room import SMALL, Held, Room, declared

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
App = Callable[[Environ, StartResponse], Iterable[bytes]]

EXCHANGE = "service.exchange"  # in the environ of a request that has been entered

# Flask's status lines, so that both ways answer with the same bytes.
STATUS_LINES = {code: f"{code} {phrase.upper()}" for code, phrase in HTTP_STATUS_CODES.items()}


class FlaskApp(Flask):
    """A view for each operation of the table."""

    def __init__(self, table: Table) -> None:
        super().__init__("service", static_folder=None)
        self.config["PROPAGATE_EXCEPTIONS"] = True  # to whoever entered the exchange
        for operation in table.operations:
            rule = operation.path.replace("{", "<").replace("}", ">")
            self.add_url_rule(rule, operation.name, _view, methods=[operation.method])
        self._rules = {rule.endpoint: rule for rule in self.url_map.iter_rules()}
        self._within = self.wsgi_app  # before anything is put around it

    def answer(self, exchange: Exchange) -> Response:
        """What Flask answers to an exchange that has been entered, with its extensions."""
        environ = environ_of(exchange)
        try:
            found = FlaskResponse.from_app(self._within, environ, buffered=True)
        finally:
            del environ["wsgi.input"]  # see Application.leave
        body, headers = found.get_data(), found.headers
        content_type = headers.pop("Content-Type", "")
        headers.pop("Content-Length", None)
        return Response(found.status_code, body, content_type, tuple(headers.items()))

    def create_url_adapter(self, request: FlaskRequest | None) -> MapAdapter | None:
        """One that finds what the table found."""
        if request is None or EXCHANGE not in request.environ:
            return super().create_url_adapter(request)
        operation = request.environ[EXCHANGE].operation
        return _Found(self._rules[operation.name])  # type: ignore[return-value]


class _Found:
    """As much of a MapAdapter as Flask asks for: the rule that is known already."""

    def __init__(self, rule: Rule) -> None:
        self._rule = rule

    def match(self, **_: object) -> tuple[Rule, dict[str, str]]:
        return self._rule, {}


def _view() -> FlaskResponse:
    """Answer an operation within Flask; what nobody expected rises through it."""
    exchange: Exchange = request.environ[EXCHANGE]
    operation = exchange.operation
    assert operation  # noqa: S101  else it was refused
    try:
        found = operation.answer(exchange)
    except ServiceError as error:
        found = operation.dialect.refuse(error)
    response = FlaskResponse(found.body, found.status, content_type=found.content_type)
    response.headers.extend(found.headers)
    return response


class Entered:
    """An application for any WSGI server: enters each request, reads its body, and leaves."""

    def __init__(self, application: Application, room: Room, max_body_bytes: int) -> None:
        self._application = application
        self._room = room
        self._max_body_bytes = max_body_bytes

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        application = self._application
        exchange = Exchange(request_of(environ), perf_counter())
        application.enter(exchange)
        held = self._room.hold()
        try:
            if exchange.response is None:
                self._read(exchange, environ, held)
            if exchange.response is None:
                application.answer(exchange)
            return _send(exchange, start_response)
        finally:
            application.leave(exchange)
            held.release()

    def _read(self, exchange: Exchange, environ: Environ, held: Held) -> None:
        """Read the body, or refuse."""
        request = exchange.request
        try:
            request.body = _body(environ, request, self._max_body_bytes, held)
        except (BodyTooLarge, MalformedBody, Overloaded) as error:
            self._application.refuse(exchange, error)


def request_of(environ: Environ) -> Request:
    """A request whose body is yet to be read, from what PEP 3333 makes of it."""
    path: str = environ.get("PATH_INFO", "")
    if not path.isascii():  # WSGI has bytes as Latin-1
        path = path.encode("latin-1").decode(errors="replace")
    return Request(
        environ["REQUEST_METHOD"],
        path,
        environ.get("QUERY_STRING", ""),
        _EnvironHeaders(environ),
        client=environ.get("REMOTE_ADDR", ""),
        scheme=environ.get("wsgi.url_scheme", "http"),
        version=environ.get("SERVER_PROTOCOL", "").rpartition("/")[2],
    )


class _EnvironHeaders(Mapping[str, str]):
    """The headers of an environ by their names in lower case; each is read when it is asked for."""

    def __init__(self, environ: Environ) -> None:
        self._environ = environ

    def get(self, name: str, default: Any = None) -> Any:
        """One header."""
        return self._environ.get(_key(name), default)

    def __getitem__(self, name: str) -> str:
        found: str = self._environ[_key(name)]
        return found

    def __iter__(self) -> Iterator[str]:
        for key in self._environ:
            if key.startswith("HTTP_") or key in CONTENT:
                yield key.removeprefix("HTTP_").replace("_", "-").lower()

    def __len__(self) -> int:
        return sum(1 for _ in self)


def environ_of(exchange: Exchange) -> Environ:
    """An exchange as PEP 3333 has it, where a text is bytes as Latin-1."""
    request = exchange.request
    headers = {_key(name): value for name, value in request.headers.items()}
    headers.pop("HTTP_TRANSFER_ENCODING", None)  # the body has been read
    return {
        "SERVER_NAME": "localhost",  # for HTTP/1.0; Host goes before it
        "SERVER_PORT": "80",
        **headers,
        # An answer to HEAD is that to GET; who sends it leaves its body out.
        "REQUEST_METHOD": "GET" if request.method == "HEAD" else request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": request.path.encode().decode("latin-1"),
        "QUERY_STRING": request.query,
        "CONTENT_LENGTH": str(len(request.body)),
        "SERVER_PROTOCOL": f"HTTP/{request.version}",
        "REMOTE_ADDR": request.client,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": request.scheme,
        "wsgi.input": BytesIO(request.body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        EXCHANGE: exchange,
    }


CONTENT = {"CONTENT_TYPE", "CONTENT_LENGTH"}


@cache
def _key(name: str) -> str:
    key = name.upper().replace("-", "_")
    return key if key in CONTENT else f"HTTP_{key}"


def _body(environ: Environ, request: Request, limit: int, held: Held) -> bytes:
    """The whole body, chunked or not, once there is room for it; empty when none was sent.

    Raises BodyTooLarge when it is over `limit` bytes, of which no more than a part beyond the
    limit is read, Overloaded when there is no room, and MalformedBody when it breaks off.
    """
    size = declared(request, limit)
    if size is not None and request.header("transfer-encoding").lower() != "chunked":
        held.grow(size)
        return _part(environ, size)
    if not environ.get("wsgi.input_terminated"):  # its end would never be seen
        return b""
    parts, size = [], 0
    while part := _part(environ, SMALL):
        size += len(part)
        if size > limit:
            raise BodyTooLarge(limit)
        held.grow(size)
        parts.append(part)
    return b"".join(parts)


def _part(environ: Environ, size: int) -> bytes:
    try:
        return environ["wsgi.input"].read(size) if size else b""
    except Exception as error:  # each server has errors of its own for a client that stops
        raise MalformedBody("The body broke off before its end; send it again.") from error


def _send(exchange: Exchange, start_response: StartResponse) -> list[bytes]:
    """Answer, the headers in the order in which Flask sends them."""
    response = exchange.response
    assert response  # noqa: S101  it was answered or refused
    body, headers = response.body, [*response.headers, ("X-Request-Id", exchange.id)]
    sent: Headers = (("Content-Type", response.content_type), ("Content-Length", str(len(body))))
    if response.status == HTTPStatus.NOT_MODIFIED:
        sent = ()
    start_response(STATUS_LINES[response.status], [*sent, *headers])
    return [body] if exchange.request.method != "HEAD" else []
