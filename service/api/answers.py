"""What the dialects have in common when they answer: JSON, and the version that is asked."""

from http import HTTPStatus
from typing import Any

import orjson

from service.errors import UnsupportedMediaType
from service.exchange import Exchange, Headers, Request, Response
from service.serving.dataplane import DataPlane
from service.serving.loaded import Loaded

JSON = "application/json"
WRITTEN = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE


def dumps(content: Any) -> bytes:
    """JSON with NumPy's arrays and numbers in it; a float32 keeps its own shortest digits."""
    return orjson.dumps(content, option=WRITTEN)


def ok(content: Any, headers: Headers = ()) -> Response:
    """JSON that answers."""
    return Response(HTTPStatus.OK, dumps(content), JSON, headers)


def require_plain(request: Request) -> None:
    """Raise UnsupportedMediaType for a compressed body."""
    encoding = request.header("content-encoding")
    if encoding not in {"", "identity"}:
        raise UnsupportedMediaType(
            f"expected a body that is not compressed, received content encoding {encoding!r}; "
            "send it plain."
        )


def choose(
    plane: DataPlane,
    exchange: Exchange,
    model: str | None = None,
    version: int | None = None,
    label: str | None = None,
) -> Loaded:
    """The version that a request means, noted; X-Canary-Key keeps one caller with one version.

    Raises NotFound or NotLoaded.
    """
    key = exchange.request.headers.get("x-canary-key") or ""
    source = exchange.source = plane.choose(model, version, label, key)
    return source


def labelled(source: Loaded) -> Headers:
    """X-Model-Label, when a label's share of the requests chose the version."""
    return (("X-Model-Label", source.label),) if source.label else ()
