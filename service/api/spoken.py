"""Which dialect is spoken at a path: for refusals that no dialect made itself."""

from http import HTTPStatus
from typing import Protocol

from service.api.answers import Reply
from service.api.native import operations as native
from service.api.tfserving import operations as tfserving
from service.api.v2 import operations as v2
from service.errors import ServiceError


class Dialect(Protocol):
    """What each dialect's module can say in its own error form."""

    def refuse(self, error: ServiceError) -> Reply:
        """Refuse with a domain error."""

    def problem(self, status: HTTPStatus, detail: str) -> Reply:
        """Refuse with a status and a sentence."""


DIALECTS: dict[str, Dialect] = {"v1": tfserving, "v2": v2}


def dialect(path: str) -> Dialect:
    """The dialect of an absolute path: its first part says which, else it is the native one."""
    return DIALECTS.get(path[1:].partition("/")[0].lower(), native)
