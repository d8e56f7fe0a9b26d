"""Dialects: HTTP APIs over the data plane, each from a Request to a Reply. No Flask here."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import orjson

from models.numbers import whole
from models.registry import LAST_VERSION
from service.errors import (
    BodyTooLarge,
    Conflict,
    EngineFailure,
    Forbidden,
    InvalidInput,
    MalformedBody,
    NotFound,
    NotLoaded,
    Overloaded,
    RateLimited,
    TooSlow,
    Unauthorized,
    Unforeseen,
    UnsupportedMediaType,
)
from service.serving.loaded import Loaded

# What a domain error is in HTTP, unless a dialect has it otherwise.
STATUS = {
    MalformedBody: HTTPStatus.BAD_REQUEST,
    BodyTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    TooSlow: HTTPStatus.REQUEST_TIMEOUT,
    UnsupportedMediaType: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    InvalidInput: HTTPStatus.BAD_REQUEST,
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
JSON = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE
KEY_NAME = "service.key"  # in the environ: the name of the key that was shown, if one was asked for

Headers = tuple[tuple[str, str], ...]


@dataclass(slots=True)
class Request:
    """What a dialect needs of an HTTP request: its whole body, and its WSGI environ (PEP 3333).

    The environ is read where it is needed, so that a request pays for no header it does not use.
    """

    body: bytes
    environ: Mapping[str, Any]

    @property
    def query(self) -> str:
        """The query string without its question mark."""
        return str(self.environ.get("QUERY_STRING", ""))

    @property
    def content_type(self) -> str:
        """The content type with its parameters, empty when none was sent."""
        return str(self.environ.get("CONTENT_TYPE", ""))

    @property
    def canary_key(self) -> str:
        """X-Canary-Key: what one caller always sends, so that one version answers it."""
        return self.environ.get("HTTP_X_CANARY_KEY", "")  # type: ignore[no-any-return]

    @property
    def accept(self) -> str:
        """The formats that the answer may come in, empty when none was named."""
        return str(self.environ.get("HTTP_ACCEPT", ""))

    @property
    def key_name(self) -> str:
        """The name of the key that was shown, empty where none was asked for."""
        return str(self.environ.get(KEY_NAME, ""))

    def header(self, name: str) -> str:
        """Any other header, empty when it was not sent."""
        return str(self.environ.get(f"HTTP_{name.upper().replace('-', '_')}", ""))


@dataclass(slots=True)
class Reply:
    """An HTTP answer."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: Headers = ()


def dumps(content: Any) -> bytes:
    """JSON with NumPy's arrays and numbers in it; a float32 keeps its own shortest digits."""
    return orjson.dumps(content, option=JSON)


def version_of(text: str) -> int:
    """The version that a path names; raises NotFound for what is no number of one."""
    version = whole(text, LAST_VERSION)
    if version is None:
        raise NotFound(f"'{text[:40]}' is no version: expected a positive whole number.")
    return version


def require_plain(request: Request) -> None:
    """Raise UnsupportedMediaType for a compressed body."""
    encoding = request.environ.get("HTTP_CONTENT_ENCODING", "")
    if encoding not in {"", "identity"}:
        raise UnsupportedMediaType(
            f"expected a body that is not compressed, received content encoding {encoding!r}; "
            "send it plain."
        )


def labelled(source: Loaded) -> Headers:
    """X-Model-Label, when a label's share of the requests chose the version."""
    return (("X-Model-Label", source.label),) if source.label else ()
