"""Dialects: HTTP APIs over the data plane, each from a Request to a Reply. No Flask here."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from service.snapshot import Loaded

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


def labelled(source: Loaded) -> Headers:
    """X-Model-Label, when a label's share of the requests chose the version."""
    return (("X-Model-Label", source.label),) if source.label else ()
