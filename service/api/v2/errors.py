"""Errors as the Open Inference Protocol has them: {"error": sentence}, and nothing else."""

from collections.abc import Sequence
from http import HTTPStatus

from service.api.answers import dumps
from service.api.refusals import Refusals
from service.errors import Fault
from service.exchange import Headers, Response


class V2Refusals(Refusals):
    """A sentence; what is wrong is in it."""

    def form(
        self, status: HTTPStatus, detail: str, headers: Headers = (), _: Sequence[Fault] = ()
    ) -> Response:
        """The protocol's error body."""
        return Response(status, dumps({"error": detail}), headers=headers)


V2 = V2Refusals("v2")
