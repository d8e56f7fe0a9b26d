"""Errors as TensorFlow Serving words them: {"error": sentence}, most of them 400."""

from collections.abc import Sequence
from http import HTTPStatus

from service.api.answers import dumps
from service.api.refusals import Refusals
from service.errors import Fault
from service.exchange import Headers, Request, Response


class TFServingRefusals(Refusals):
    """A sentence; what is wrong is in it."""

    def form(
        self, status: HTTPStatus, detail: str, headers: Headers = (), _: Sequence[Fault] = ()
    ) -> Response:
        """TensorFlow Serving's error body."""
        return Response(status, dumps({"error": detail}), headers=headers)

    def unmatched(
        self,
        request: Request,
        allowed: Sequence[str],  # noqa: ARG002  any of them is one answer
    ) -> Response:
        """400, as TensorFlow Serving answers whatever is none of its paths."""
        return self.form(
            HTTPStatus.BAD_REQUEST,
            f"Malformed request: {request.method} {request.path}. A prediction is POST "
            "/v1/models/MODEL:predict, a status GET /v1/models/MODEL.",
        )


TFSERVING = TFServingRefusals("tfserving")
