"""What may go wrong with a request, as data and a full sentence; dialects make HTTP of it."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """One wrong field: where it is, what was expected there and what came."""

    field: str
    expected: str
    received: str

    def __str__(self) -> str:
        return f"{self.field}: expected {self.expected}, received {self.received}"


class ServiceError(Exception):
    """A request that cannot be answered; its text says what, why and the way out."""


class MalformedBody(ServiceError):
    """The body cannot be read at all."""


class BodyTooLarge(ServiceError):
    """The body has more bytes than a request may have."""

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"The body is larger than MAX_BODY_BYTES allows, {limit} bytes; send fewer rows a "
            "request."
        )


class TooSlow(ServiceError):
    """The request took longer to come than it may."""


class InvalidInput(ServiceError):
    """The body can be read, and something in it is not as it must be."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(map(str, self.faults)) + ".")


class UnsupportedMediaType(ServiceError):
    """The body is in a format that is not supported here."""


class NotAcceptable(ServiceError):
    """The answer is asked for in formats that are not supported here."""


class Unsupported(ServiceError):
    """What is asked for is part of the protocol, and is never done here."""


class NotFound(ServiceError):
    """The model, version or label that was asked for does not exist."""


class NotLoaded(ServiceError):
    """The version exists on disk and cannot be served."""


class EngineFailure(ServiceError):
    """The model answered something that is no number."""


class Unauthorized(ServiceError):
    """The request shows no key, or one that is not known."""


class Forbidden(ServiceError):
    """The key is known and is not for this."""


class RateLimited(ServiceError):
    """The key has sent more requests than it may; `seconds` from now it may send one."""

    def __init__(self, sentence: str, seconds: int) -> None:
        self.seconds = seconds
        super().__init__(sentence)


class Conflict(ServiceError):
    """What is asked cannot be done to the registry as it is here."""


class Overloaded(ServiceError):
    """It would have to wait for too long, or finds no room; `seconds` from now is a good time."""

    seconds = 1

    def __init__(
        self, sentence: str = "The service is busy: an answer would have to wait; try again."
    ) -> None:
        super().__init__(sentence)


class Unforeseen(ServiceError):
    """An exception that nobody expected; the log has its traceback."""

    def __init__(self, sentence: str = "The service failed to answer; its log says why.") -> None:
        super().__init__(sentence)
