"""Errors as TensorFlow Serving words them: {"error": sentence}, most of them 400."""

from collections.abc import Sequence
from http import HTTPStatus

from service.api.refusals import ErrorSentences
from service.exchange import Request, Response


class TFServingRefusals(ErrorSentences):
    """A path that is none of its own is 400."""

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
