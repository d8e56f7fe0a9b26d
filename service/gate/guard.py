"""The guard: the outermost layer, once for Flask and the fast path.

It gives each request an id, lets in whom `admit` lets in, bounds how many are answered at once
and how large their bodies are, each and together, catches whatever escapes below, and tells an
observer how it went.
"""

import logging
import os
import re
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from io import BytesIO
from itertools import count
from time import perf_counter
from typing import Protocol

from service.api.answers import Headers, Reply
from service.errors import Overloaded, RateLimited, ServiceError, Unauthorized, Unforeseen
from service.gate.overload import OPERATIONS, RESERVED, TURNED_AWAY
from service.gate.room import Held, Room
from service.gate.trace_context import trace_context
from service.gate.wire import (
    ANSWERED,
    BODY,
    REFUSAL,
    REQUEST_ID,
    UNANSWERED,
    App,
    Environ,
    StartResponse,
    read_body,
    send,
)
from service.logs import catalogue
from service.logs.survivor import Survivor

log = logging.getLogger("service")

# What may be repeated in a header and a log line: UUIDs, ULIDs, trace ids, and no more.
VALID_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:+/=@-]{0,127}").fullmatch

Admit = Callable[[Environ], None]  # raises what refuses a request, before its body is read
Refuse = Callable[[str, ServiceError], Reply]  # in the dialect spoken at a path


class Observer(Protocol):
    """Told of every request once, when it is answered: the seam for metrics and the access log.

    What it raises changes no answer.
    """

    def __call__(self, environ: Environ, status: int, seconds: float) -> None:
        """Note a request.

        `environ` holds what was asked, its REQUEST_ID, ROUTE, REFUSAL, and the headers ANSWERED.
        """


class Guard:
    """Wraps `app`; `refuse` words a refusal in the dialect of the path."""

    def __init__(  # noqa: PLR0913  one for each thing it guards
        self,
        app: App,
        refuse: Refuse,
        *,
        max_body_bytes: int,
        max_in_flight: int,
        room: Room,
        admit: Admit = lambda _: None,
        observer: Observer | None = None,
    ) -> None:
        self._app = app
        self._refuse = refuse
        self._max_body_bytes = max_body_bytes
        self._room = room
        self._admit = admit
        self._observer = observer
        self._survivor = Survivor("observers")
        # A deque, for taking from it and giving back need no lock.
        self._permits = deque([None] * max_in_flight)
        self._reserved = deque([None] * RESERVED)  # for those who watch the service
        self._prefix = os.urandom(6).hex()  # tells this process from the others
        self._ids = count(1)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request (PEP 3333)."""
        given = environ.get("HTTP_X_REQUEST_ID")
        request_id = given if given and VALID_ID(given) else f"{self._prefix}{next(self._ids):08x}"
        environ[REQUEST_ID] = request_id
        if self._observer is None:
            return self._bounded(environ, _identified(start_response, request_id))
        return self._observed(environ, _identified(start_response, request_id), self._observer)

    def _bounded(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if TURNED_AWAY in environ:
            return self._busy(environ, start_response)
        permits = self._reserved if environ["PATH_INFO"] in OPERATIONS else self._permits
        try:
            permits.pop()
        except IndexError:
            return self._busy(environ, start_response)
        try:
            return self._answer(environ, start_response)
        finally:
            permits.append(None)

    def _busy(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        busy = Overloaded("The service is busy with as many requests as it may be; try again.")
        return self._refused(environ, start_response, busy)

    def _answer(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        try:
            self._admit(environ)
            with self._room.hold() as held:
                environ[BODY] = self._body(environ, held)
                environ["wsgi.input"] = BytesIO(environ[BODY])  # for who reads it as Flask does
                return self._app(environ, start_response)
        except ServiceError as error:
            return self._refused(environ, start_response, error)
        except Exception:  # noqa: BLE001  whatever it is, it is logged with its traceback
            trace = trace_context(environ)
            told = {"request_id": environ[REQUEST_ID], "trace_id": trace.trace_id if trace else ""}
            catalogue.tell(log, catalogue.REQUEST_FAILED, **told)
            failure = Unforeseen("The service failed to answer; its log says why.")
            return self._refused(environ, start_response, failure)

    def _body(self, environ: Environ, held: Held) -> bytes:
        return b"" if UNANSWERED in environ else read_body(environ, self._max_body_bytes, held)

    def _refused(
        self, environ: Environ, start_response: StartResponse, error: ServiceError
    ) -> Iterable[bytes]:
        environ[REFUSAL] = type(error).__name__
        reply = self._refuse(environ["PATH_INFO"], error)
        return send(replace(reply, headers=(*reply.headers, *hints(error))), start_response)

    def _observed(
        self, environ: Environ, start_response: StartResponse, observer: Observer
    ) -> Iterable[bytes]:
        status = 0

        def noting(line: str, headers: list[tuple[str, str]], *exc_info: object) -> object:
            nonlocal status
            status = int(line[:3])
            environ[ANSWERED] = headers
            return start_response(line, headers, *exc_info)

        began = perf_counter()
        try:
            return self._bounded(environ, noting)
        finally:
            self._survivor.run(observer, environ, status, perf_counter() - began)


def hints(error: ServiceError) -> Headers:
    """The headers that tell a client's library what the sentence tells its user."""
    if isinstance(error, Overloaded):
        return (("Retry-After", "1"),)
    if isinstance(error, RateLimited):
        return (("Retry-After", str(error.seconds)),)
    if isinstance(error, Unauthorized):
        return (("WWW-Authenticate", 'Bearer realm="calories"'),)
    return ()


def _identified(start_response: StartResponse, request_id: str) -> StartResponse:
    """`start_response` that adds the request id to the headers."""

    def start(line: str, headers: list[tuple[str, str]], *exc_info: object) -> object:
        headers.append(("X-Request-Id", request_id))
        return start_response(line, headers, *exc_info)

    return start
