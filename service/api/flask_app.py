"""The operations as a Flask app, which any WSGI server can run (PEP 3333).

Flask's rules are made from the table, and what the table found Flask does not look for again.
Our own server has entered an exchange before it asks Flask; for any other it is done here.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, partial
from io import BytesIO
from time import perf_counter
from typing import Any

from flask import Flask, request
from flask import Request as FlaskRequest
from flask import Response as FlaskResponse
from werkzeug.http import HTTP_STATUS_CODES
from werkzeug.routing import MapAdapter, Rule

from service.api.table import Table
from service.errors import BodyTooLarge, MalformedBody, Overloaded
from service.exchange import Application, Exchange, Headers, Request
from service.gate.room import SMALL, Held, Room, declared

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
App = Callable[[Environ, StartResponse], Iterable[bytes]]

EXCHANGE = "service.exchange"  # in the environ of a request that has been entered

# Flask's status lines, so that both ways answer with the same bytes.
STATUS_LINES = {code: f"{code} {phrase.upper()}" for code, phrase in HTTP_STATUS_CODES.items()}


class FlaskApp(Flask):
    """A view for each operation of the table."""

    def __init__(self, table: Table, application: Application) -> None:
        super().__init__("service", static_folder=None)
        self.config["PROPAGATE_EXCEPTIONS"] = True  # to whoever entered the exchange
        view = partial(_view, application)
        for operation in table.operations:
            rule = operation.path.replace("{", "<").replace("}", ">")
            self.add_url_rule(rule, operation.name, view, methods=[operation.method])
        self._rules = {rule.endpoint: rule for rule in self.url_map.iter_rules()}

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


def _view(application: Application) -> FlaskResponse:
    """Answer an operation within Flask."""
    exchange: Exchange = request.environ[EXCHANGE]
    application.answer(exchange)
    found = exchange.response
    assert found  # noqa: S101  as `answer` promises
    response = FlaskResponse(found.body, found.status, content_type=found.content_type)
    response.headers.extend(found.headers)
    return response


class Entered:
    """Wraps a Flask app's `wsgi_app`: enters each request, reads its body, and leaves.

    What is hot is answered ahead of Flask.
    """

    def __init__(
        self, flask: App, application: Application, room: Room, max_body_bytes: int
    ) -> None:
        self._flask = flask
        self._application = application
        self._room = room
        self._max_body_bytes = max_body_bytes

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        application = self._application
        exchange = Exchange(_request(environ), perf_counter())
        application.enter(exchange)
        with self._room.hold() as held:
            try:
                if exchange.response is None:
                    self._read(exchange, environ, held)
                if exchange.response is None:
                    operation = exchange.operation
                    assert operation  # noqa: S101  else it was refused
                    if not operation.hot:
                        return self._through_flask(exchange, environ, start_response)
                    application.answer(exchange)
                return _send(exchange, start_response)
            finally:
                application.leave(exchange)

    def _read(self, exchange: Exchange, environ: Environ, held: Held) -> None:
        """Read the body, or refuse."""
        request = exchange.request
        try:
            request.body = _body(environ, request, self._max_body_bytes, held)
        except (BodyTooLarge, MalformedBody, Overloaded) as error:
            self._application.refuse(exchange, error)

    def _through_flask(
        self, exchange: Exchange, environ: Environ, start_response: StartResponse
    ) -> Iterable[bytes]:
        environ[EXCHANGE] = exchange
        environ["wsgi.input"] = BytesIO(exchange.request.body)  # for code that reads it from there
        started: list[Any] = []
        try:
            content = self._flask(environ, lambda *given: started.extend(given))
        except Exception as error:  # noqa: BLE001  an extension's; what operations raise is worded
            self._application.refuse(exchange, error)
            return _send(exchange, start_response)
        finally:
            del environ["wsgi.input"]  # see Application.leave
        line, headers, *_ = started
        start_response(line, [*headers, ("X-Request-Id", exchange.id)])
        return content


def _request(environ: Environ) -> Request:
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
    start_response(STATUS_LINES[response.status], [*sent, *headers])
    return [body] if exchange.request.method != "HEAD" else []
