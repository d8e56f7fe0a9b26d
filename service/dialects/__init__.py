"""Dialects: HTTP APIs over the data plane, as functions from bytes to a Reply. No Flask here."""

from dataclasses import dataclass

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Reply:
    """An HTTP answer."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: Headers = ()
