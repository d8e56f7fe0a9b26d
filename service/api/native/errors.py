"""Errors as the native dialect words them: RFC 9457 problem documents."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from service.api.answers import dumps
from service.api.refusals import STATUS, Refusals
from service.errors import Fault, InvalidInput
from service.exchange import Headers, Response

PROBLEM = "application/problem+json"


class Problems(Refusals):
    """`errors` lists the wrong fields, where there are any."""

    status = {**STATUS, InvalidInput: HTTPStatus.UNPROCESSABLE_ENTITY}  # noqa: RUF012

    def form(
        self, status: HTTPStatus, detail: str, headers: Headers = (), faults: Sequence[Fault] = ()
    ) -> Response:
        """A problem document."""
        document: dict[str, Any] = {
            "type": "about:blank",
            "title": status.phrase,
            "status": status.value,
            "detail": detail,
        }
        if faults:
            document["errors"] = [vars(fault) for fault in faults]
        return Response(status, dumps(document), PROBLEM, headers)


NATIVE = Problems("native")
OTHER = Problems("other")  # what does not predict: health, pages, administration
