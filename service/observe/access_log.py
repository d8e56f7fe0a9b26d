"""The access log: a line a request, of all of them or of a share."""

import logging
import random
from typing import Any
from urllib.parse import quote

from service.api.answers import KEY_NAME
from service.gate.trace_context import trace_context
from service.gate.wire import REFUSAL, REQUEST_ID, ROUTE, Environ, answered_bytes
from service.logs import catalogue
from service.observe.metrics.record import dialect_of, snake
from service.observe.watch import Outcome

log = logging.getLogger("service.access")


class AccessLog:
    """Logs `share` of the requests, 0 to 1, by lot; one that failed (5xx) always."""

    def __init__(self, share: float) -> None:
        self._share = share

    def __call__(self, environ: Environ, status: int, seconds: float, outcome: Outcome) -> None:
        """Log a request or not."""
        if status < 500 and random.random() >= self._share:  # noqa: S311  a lot, no secret
            return
        told = {**_asked(environ), **_came_to(outcome)}
        lasted = round(seconds * 1000, 3)
        catalogue.tell(log, catalogue.REQUEST, **told, status=status, milliseconds=lasted)


def _asked(environ: Environ) -> dict[str, Any]:
    """What the request was. Only names: no header, body or query, where keys may be."""
    path = environ["PATH_INFO"]
    trace = trace_context(environ)
    return {
        "request_id": environ[REQUEST_ID],
        "method": quote(environ["REQUEST_METHOD"]),
        "route": environ.get(ROUTE, "-"),
        "path": quote(path.encode("latin-1")),  # as WSGI has it; no line breaks in a console
        "dialect": dialect_of(path),
        "key": environ.get(KEY_NAME, ""),
        "refusal": snake(environ.get(REFUSAL, "")),
        "bytes": answered_bytes(environ) or 0,
        "trace_id": trace.trace_id if trace else "",
        "parent_id": trace.parent_id if trace else "",
    }


def _came_to(outcome: Outcome) -> dict[str, Any]:
    source, rows = outcome.source, outcome.rows
    return {
        "model": source.model if source else "",
        "version": source.version if source else None,
        "rows": 0 if rows is None else len(rows),
    }
