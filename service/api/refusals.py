"""What a domain error is in HTTP: its status and its headers. Each dialect has its own form."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from http import HTTPStatus

from service.api.answers import dumps
from service.errors import (
    BodyTooLarge,
    Conflict,
    EngineFailure,
    Fault,
    Forbidden,
    InvalidInput,
    MalformedBody,
    NotAcceptable,
    NotFound,
    NotLoaded,
    Overloaded,
    RateLimited,
    ServiceError,
    TooSlow,
    Unauthorized,
    Unforeseen,
    Unsupported,
    UnsupportedMediaType,
)
from service.exchange import Headers, Request, Response

# Unless a dialect has it otherwise.
STATUS: Mapping[type[ServiceError], HTTPStatus] = {
    MalformedBody: HTTPStatus.BAD_REQUEST,
    BodyTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    TooSlow: HTTPStatus.REQUEST_TIMEOUT,
    UnsupportedMediaType: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    NotAcceptable: HTTPStatus.NOT_ACCEPTABLE,
    InvalidInput: HTTPStatus.BAD_REQUEST,
    Unsupported: HTTPStatus.BAD_REQUEST,
    NotFound: HTTPStatus.NOT_FOUND,
    NotLoaded: HTTPStatus.SERVICE_UNAVAILABLE,
    EngineFailure: HTTPStatus.INTERNAL_SERVER_ERROR,
    Unauthorized: HTTPStatus.UNAUTHORIZED,
    Forbidden: HTTPStatus.FORBIDDEN,
    RateLimited: HTTPStatus.TOO_MANY_REQUESTS,
    Conflict: HTTPStatus.CONFLICT,
    Overloaded: HTTPStatus.SERVICE_UNAVAILABLE,
    Unforeseen: HTTPStatus.INTERNAL_SERVER_ERROR,
}


class Refusals(ABC):
    """A dialect as far as it refuses; `name` is what metrics and logs call it."""

    status = STATUS

    def __init__(self, name: str) -> None:
        self.name = name

    @abstractmethod
    def form(
        self, status: HTTPStatus, detail: str, headers: Headers = (), faults: Sequence[Fault] = ()
    ) -> Response:
        """A status and a sentence as the dialect writes them."""

    def refuse(self, error: ServiceError) -> Response:
        """A domain error."""
        faults = error.faults if isinstance(error, InvalidInput) else ()
        return self.form(self.status[type(error)], str(error), hints(error), faults)

    def unmatched(
        self,
        request: Request,  # noqa: ARG002  for those who repeat it
        allowed: Sequence[str],
    ) -> Response:
        """404 for a path that no operation has, 405 for another method than it has."""
        if not allowed:
            sentence = "There is nothing at this path; predictions are at POST /predict."
            return self.form(HTTPStatus.NOT_FOUND, sentence)
        methods = ", ".join(allowed)
        sentence = f"This path answers {methods} only."
        return self.form(HTTPStatus.METHOD_NOT_ALLOWED, sentence, (("Allow", methods),))


class ErrorSentences(Refusals):
    """{"error": sentence} and nothing else, as the dialects have it that were not made here."""

    def form(
        self, status: HTTPStatus, detail: str, headers: Headers = (), _: Sequence[Fault] = ()
    ) -> Response:
        """The sentence says what is wrong."""
        return Response(status, dumps({"error": detail}), headers=headers)


def hints(error: ServiceError) -> Headers:
    """The headers that tell a client's library what the sentence tells its user."""
    if isinstance(error, Overloaded | RateLimited):
        return (("Retry-After", str(error.seconds)),)
    if isinstance(error, Unauthorized):
        return (("WWW-Authenticate", 'Bearer realm="calories"'),)
    return ()
