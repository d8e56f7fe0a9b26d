"""What operators ask: whether it lives, whether it can answer, what it is, and what it counted."""

import platform
from collections.abc import Callable
from functools import partial

from service import __version__
from service.api.answers import ok
from service.api.native.errors import OTHER
from service.exchange import Exchange, Operation, Response
from service.serving.dataplane import DataPlane

Scrape = Callable[[str], tuple[bytes, str]]  # from the header Accept to a text and its type


def operations(plane: DataPlane, scrape: Scrape) -> tuple[Operation, ...]:
    """Its rows of the table."""
    ready, scraped = partial(readyz, plane), partial(metrics, scrape)
    row = partial(Operation, method="GET", dialect=OTHER, watching=True)
    return (
        row("healthz", path="/healthz", answer=healthz, scope="open", hot=True),
        row("readyz", path="/readyz", answer=ready, scope="open", hot=True),
        row("metrics", path="/metrics", answer=scraped, scope="either"),
        Operation("version", "GET", "/version", version, OTHER, "open"),
    )


def healthz(_: Exchange) -> Response:
    """Tell that the process answers."""
    return ok({"status": "ok"})


def readyz(plane: DataPlane, _: Exchange) -> Response:
    """Tell that the default model answers; raises NotLoaded until it does."""
    plane.require_ready()
    return ok({"status": "ready"})


def version(_: Exchange) -> Response:
    """Tell the versions of the service and of Python."""
    return ok({"service": __version__, "python": platform.python_version()})


def metrics(scrape: Scrape, exchange: Exchange) -> Response:
    """Give the metrics in Prometheus's text format, or in OpenMetrics to who prefers it."""
    text, content_type = scrape(exchange.request.header("accept"))
    return Response(200, text, content_type)
