"""What is neither a model nor a prediction: health, metrics, pages, and this document."""

from typing import Any, Literal

from pydantic import ConfigDict
from typing_extensions import TypedDict

from service.api.openapi.parts import HTML, JSON, SERVED, About, Exchange, Operation

WHOLE = ConfigDict(extra="forbid")


class Healthy(TypedDict):
    """The process answers."""

    __pydantic_config__ = WHOLE  # type: ignore[misc]
    status: Literal["ok", "ready"]


class Release(TypedDict):
    """Which release this is."""

    __pydantic_config__ = WHOLE  # type: ignore[misc]
    service: str
    python: str


def operations(_: About) -> tuple[Operation, ...]:
    """Probes, metrics, pages and their files."""
    return (
        _get("/healthz", "healthz", "The process answers.", {JSON: Healthy}),
        _get("/readyz", "readyz", "The default model answers.", {JSON: Healthy}),
        _get("/version", "version", "Which release this is.", {JSON: Release}),
        _get("/metrics", "metrics", "For Prometheus.", {"text/plain": str}),
        _get("/", "page", "A page to try the models.", {HTML: str}),
        _get("/docs", "docs", "This document, a page.", {HTML: str}),
        Operation("GET", "/openapi.json", "openapi", "This.", {JSON: dict[str, Any]}, ()),
        Operation(
            "GET",
            "/static/{file}",
            "static",
            "What pages are made of.",
            {"*/*": bytes},
            (Exchange("no such file", path={"file": "nothing.js"}),),
        ),
    )


def _get(path: str, name: str, summary: str, gives: dict[str, Any]) -> Operation:
    return Operation("GET", path, name, summary, gives, (SERVED,))
