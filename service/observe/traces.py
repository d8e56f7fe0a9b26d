"""Traces: a span a request, with its validation, inference and rendering inside (OpenTelemetry).

The spans are made when the request is over, from the times that were noted: so the dialects know
nothing of them, and a request that is not recorded pays for none. Attributes are those of the HTTP
semantic conventions 1.23 and later (https://opentelemetry.io/docs/specs/semconv/http/http-spans/).
Only imported where traces are wanted.
"""

import os
from collections.abc import Iterator
from time import perf_counter, time_ns
from typing import Any

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from service import __version__
from service.api.answers import KEY_NAME
from service.ending import at_end
from service.gate.wire import BODY, REFUSAL, REQUEST_ID, ROUTE, Environ, answered_bytes
from service.observe.metrics.record import snake
from service.observe.watch import Outcome

METHODS = {"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE"}
CALLER = TraceContextTextMapPropagator()


def otlp() -> "Traces":
    """Traces that go where OTEL_EXPORTER_OTLP_ENDPOINT says; made in a worker, after the fork."""
    about: dict[str, str | int] = {SERVICE_VERSION: __version__, "process.pid": os.getpid()}
    if "OTEL_SERVICE_NAME" not in os.environ:
        about[SERVICE_NAME] = "calories"
    provider = TracerProvider(resource=Resource.create({**about}), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    at_end(provider.shutdown)
    return Traces(provider.get_tracer("service", __version__))


class Traces:
    """Tells a tracer of requests; which of them it records, its sampler says."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def __call__(self, environ: Environ, status: int, seconds: float, outcome: Outcome) -> None:
        """Make the spans of one request, which has just ended."""
        now = time_ns()
        epoch = now - int(perf_counter() * 1e9)  # of perf_counter, in nanoseconds since 1970
        began = now - int(seconds * 1e9)
        span = self._tracer.start_span(
            _name(environ),
            CALLER.extract(_caller(environ)),
            SpanKind.SERVER,
            _asked(environ),
            start_time=began,
        )
        if span.is_recording():
            span.set_attributes(_came_to(environ, status, outcome))
            if status >= 500:
                span.set_status(StatusCode.ERROR)
            for name, start, end in _parts(outcome, began, now, epoch):
                self._within(span, name, start, end)
        span.end(now)

    def _within(self, span: Span, name: str, start: int, end: int) -> None:
        inner = self._tracer.start_span(name, set_span_in_context(span), start_time=start)
        inner.end(end)


def _parts(outcome: Outcome, began: int, ended: int, epoch: int) -> Iterator[tuple[str, int, int]]:
    """What a request was busy with, in nanoseconds since 1970, as far as it got."""
    if not outcome.asked:
        return
    asked = epoch + int(outcome.asked * 1e9)
    answered = epoch + int(outcome.answered * 1e9) if outcome.answered else ended
    yield "validate", began, asked
    yield "infer", asked, answered
    if outcome.answered:
        yield "render", answered, ended


def _name(environ: Environ) -> str:
    """The method and the route; never a path, of which there are endless."""
    method = environ["REQUEST_METHOD"]
    return f"{method if method in METHODS else 'HTTP'} {environ.get(ROUTE, '')}".rstrip()


def _caller(environ: Environ) -> dict[str, str]:
    names = ("traceparent", "tracestate")
    return {name: environ.get(f"HTTP_{name.upper()}", "") for name in names}


def _asked(environ: Environ) -> dict[str, Any]:
    """What was asked: also what a sampler may decide by."""
    method = environ["REQUEST_METHOD"]
    told = {
        "http.request.method": method if method in METHODS else "_OTHER",
        "http.route": environ.get(ROUTE),
        "url.path": environ["PATH_INFO"],
        "url.scheme": environ.get("wsgi.url_scheme"),
        "server.address": environ.get("SERVER_NAME"),
        "server.port": int(environ.get("SERVER_PORT") or 0),
        "client.address": environ.get("REMOTE_ADDR"),
        "network.protocol.version": environ.get("SERVER_PROTOCOL", "").rpartition("/")[2],
        "user_agent.original": environ.get("HTTP_USER_AGENT"),
        "calories.request_id": environ[REQUEST_ID],
        "calories.key": environ.get(KEY_NAME),
    }
    return {name: value for name, value in told.items() if value}


def _came_to(environ: Environ, status: int, outcome: Outcome) -> dict[str, Any]:
    told: dict[str, Any] = {
        "http.response.status_code": status,
        "http.request.body.size": len(environ.get(BODY, b"")),
    }
    size = answered_bytes(environ)
    if size is not None:
        told["http.response.body.size"] = size
    if status >= 500:
        told["error.type"] = snake(environ.get(REFUSAL, "")) or str(status)
    if outcome.source:
        told["calories.model"] = outcome.source.model
        told["calories.version"] = outcome.source.version
    if outcome.rows is not None:
        told["calories.rows"] = len(outcome.rows)
    return told
