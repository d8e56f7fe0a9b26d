"""What is neither a model nor a prediction: health, metrics, pages, and this document."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import ConfigDict
from typing_extensions import TypedDict

from service.api.native.document import Problem
from service.api.openapi.parts import HTML, JSON, SERVED, About, Case, Part, Section

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


def parts(_: About) -> Mapping[str, Part]:
    """Probes, metrics, pages and their files."""
    served = (SERVED,)
    return {
        "healthz": Part("The process answers.", {JSON: Healthy}, served),
        "readyz": Part("The default model answers.", {JSON: Healthy}, served),
        "version": Part("Which release this is.", {JSON: Release}, served),
        "metrics": Part("For Prometheus.", {"text/plain": str}, served),
        "page": Part("A page to try the models.", {HTML: str}, served),
        "docs": Part("This document, a page.", {HTML: str}, served),
        "openapi": Part("This.", {JSON: dict[str, Any]}, ()),
        "static": Part(
            "What pages are made of.",
            {"*/*": bytes},
            (Case("no such file", path={"file": "nothing.js"}),),
        ),
    }


SECTION = Section(
    "operations", "Health, metrics, pages; errors are problem documents.", Problem, parts
)
