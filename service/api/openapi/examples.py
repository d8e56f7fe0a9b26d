"""Asking the app itself for the answers that the document shows."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from werkzeug.datastructures import Headers
from werkzeug.test import Client

from service.api.openapi.parts import JSON, Exchange, Operation
from service.api.spoken import dialect
from service.errors import ServiceError
from service.gate.guard import hints
from service.gate.wire import App

LONGEST = 16_384  # bytes of an answer that is shown


@dataclass(frozen=True)
class Answer:
    """What came back; `shown` is None for what is no text or too long to be an example.

    A refusal by the guard has no exchange.
    """

    name: str
    exchange: Exchange | None
    status: int
    media_type: str
    headers: Headers
    shown: Any


class Recorder:
    """Sends exchanges to an app; `path` has what the paths' parameters usually are."""

    def __init__(self, app: App, path: Mapping[str, str]) -> None:
        self._client = Client(app)
        self._path = path

    def answers(self, operation: Operation) -> list[Answer]:
        """The answers to all exchanges of an operation."""
        return [self._answer(operation, each) for each in operation.exchanges]

    def _answer(self, operation: Operation, exchange: Exchange) -> Answer:
        if exchange.answer is not None:
            shown = exchange.answer
            return Answer(exchange.name, exchange, HTTPStatus.OK, JSON, Headers(), shown)
        response = self._client.open(
            operation.path.format(**{**self._path, "file": "", **exchange.path}),
            method=operation.method,
            query_string=exchange.query,
            headers=dict(exchange.headers),
            data=_encoded(exchange.body),
            content_type=exchange.media_type if exchange.body is not None else None,
        )
        media_type = response.mimetype or ""
        return Answer(
            exchange.name,
            exchange,
            response.status_code,
            media_type,
            response.headers,
            _shown(media_type, response.data),
        )


def refused(operation: Operation, error: ServiceError) -> Answer:
    """What the guard answers, whom no request here provokes."""
    reply = dialect(operation.path).refuse(error)
    headers = Headers((*reply.headers, *hints(error)))
    shown = _shown(reply.content_type, reply.body)
    return Answer(type(error).__name__, None, reply.status, reply.content_type, headers, shown)


def _encoded(body: Any) -> str | None:
    return body if body is None or isinstance(body, str) else json.dumps(body)


def _shown(media_type: str, body: bytes) -> Any:
    if len(body) > LONGEST or media_type == "text/html":
        return None
    if media_type == JSON or media_type.endswith("+json"):
        return json.loads(body)
    return body.decode()
