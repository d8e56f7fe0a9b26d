"""The access log: a line a request, of all of them or of a share."""

import logging
import random
from typing import Any
from urllib.parse import quote

from service.exchange import Exchange
from service.logs import catalogue
from service.observe.metrics.record import snake
from service.observe.trace_context import trace_of

log = logging.getLogger("service.access")


class AccessLog:
    """Logs `share` of the requests, 0 to 1, by lot; one that failed (5xx) always."""

    def __init__(self, share: float) -> None:
        self._share = share

    def __call__(self, exchange: Exchange) -> None:
        """Log a request or not."""
        response = exchange.response
        status = response.status if response else 0
        if status < 500 and random.random() >= self._share:  # noqa: S311  a lot, no secret
            return
        told = {**_asked(exchange), **_came_to(exchange)}
        lasted = round(exchange.seconds * 1000, 3)
        catalogue.tell(log, catalogue.REQUEST, **told, status=status, milliseconds=lasted)


def _asked(exchange: Exchange) -> dict[str, Any]:
    """What the request was. Only names: no header, body or query, where keys may be."""
    request, operation = exchange.request, exchange.operation
    trace = trace_of(exchange)
    return {
        "request_id": exchange.id,
        "method": quote(request.method),
        "route": operation.path if operation else "-",
        "path": quote(request.path),  # no line breaks in a console
        "dialect": exchange.dialect.name if exchange.dialect else "",
        "key": exchange.key,
        "trace_id": trace.trace_id if trace else "",
        "parent_id": trace.parent_id if trace else "",
    }


def _came_to(exchange: Exchange) -> dict[str, Any]:
    source, found = exchange.source, exchange.prediction
    return {
        "refusal": snake(exchange.refusal),
        "bytes": len(exchange.response.body) if exchange.response else 0,
        "model": source.model if source else "",
        "version": source.version if source else None,
        "rows": len(found.rows) if found else 0,
    }
