"""Asking the application itself for the answers that the document shows."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from service.api.openapi.parts import JSON, Case, Part
from service.errors import ServiceError
from service.exchange import Application, Exchange, Headers, Operation, Request, Response

LONGEST = 16_384  # bytes of an answer that is shown


@dataclass(frozen=True)
class Shown:
    """What came back; `value` is None for what is no text or too long to be an example.

    A refusal by the gate has no case.
    """

    name: str
    case: Case | None
    status: int
    media_type: str
    headers: Headers
    value: Any


class Asking:
    """Asks an application; `path` has what the paths' parameters usually are."""

    def __init__(self, application: Application, path: Mapping[str, str]) -> None:
        self._application = application
        self._path = path

    def shown(self, operation: Operation, part: Part) -> list[Shown]:
        """The answers to all cases of an operation."""
        return [self._answered(operation, each) for each in part.cases]

    def _answered(self, operation: Operation, case: Case) -> Shown:
        if case.answer is not None:
            return Shown(case.name, case, HTTPStatus.OK, JSON, (), case.answer)
        path = operation.path.format(**{**self._path, "file": "", **case.path})
        headers = {
            **case.headers,
            **({} if case.body is None else {"content-type": case.media_type}),
        }
        request = Request(operation.method, path, case.query, headers, _encoded(case.body))
        exchange = Exchange(request)
        self._application.enter(exchange)
        if exchange.response is None:
            self._application.answer(exchange)
        self._application.leave(exchange)
        assert exchange.response  # noqa: S101  it was answered or refused
        return _shown(case.name, case, exchange.response)


def refused(operation: Operation, error: ServiceError) -> Shown:
    """What is answered to an error that no request here provokes."""
    return _shown(type(error).__name__, None, operation.dialect.refuse(error))


def _encoded(body: Any) -> bytes:
    if body is None:
        return b""
    return (body if isinstance(body, str) else json.dumps(body)).encode()


def _shown(name: str, case: Case | None, response: Response) -> Shown:
    media_type = response.content_type.partition(";")[0]
    value = _value(media_type, response.body)
    return Shown(name, case, int(response.status), media_type, response.headers, value)


def _value(media_type: str, body: bytes) -> Any:
    if len(body) > LONGEST or media_type == "text/html":
        return None
    if media_type == JSON or media_type.endswith("+json"):
        return json.loads(body)
    return body.decode()
