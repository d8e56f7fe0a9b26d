"""What is neither a model nor a prediction: health, metrics, pages, and this document."""

from collections.abc import Mapping
from typing import Any, Literal

from service.api.native.document import Problem
from service.api.openapi.parts import HTML, JSON, SERVED, About, Case, Object, Part, Section


class Healthy(Object):
    """The process answers."""

    status: Literal["ok", "ready"]


class Release(Object):
    """Which release this is."""

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
