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
from urllib.parse import urlsplit

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from service import __version__
from service.ending import at_end
from service.exchange import Exchange, Request
from service.observe.metrics.record import snake

Part = tuple[str, int, int]
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

    def __call__(self, exchange: Exchange) -> None:
        """Make the spans of one request, which has just ended."""
        now = time_ns()
        epoch = now - int(perf_counter() * 1e9)  # of perf_counter, in nanoseconds since 1970
        began = now - int(exchange.seconds * 1e9)
        span = self._tracer.start_span(
            _name(exchange),
            CALLER.extract(_caller(exchange.request)),
            SpanKind.SERVER,
            _asked(exchange),
            start_time=began,
        )
        if span.is_recording():
            span.set_attributes(_came_to(exchange))
            if exchange.response is None or exchange.response.status >= 500:
                span.set_status(StatusCode.ERROR)
            for name, start, end in _parts(exchange, began, now, epoch):
                self._within(span, name, start, end)
        span.end(now)

    def _within(self, span: Span, name: str, start: int, end: int) -> None:
        inner = self._tracer.start_span(name, set_span_in_context(span), start_time=start)
        inner.end(end)


def _parts(exchange: Exchange, began: int, ended: int, epoch: int) -> Iterator[Part]:
    """What a request was busy with, in nanoseconds since 1970, as far as it got."""
    if not exchange.asked:
        return
    asked = epoch + int(exchange.asked * 1e9)
    answered = epoch + int(exchange.answered * 1e9) if exchange.answered else ended
    yield "validate", began, asked
    yield "infer", asked, answered
    if exchange.answered:
        yield "render", answered, ended


def _name(exchange: Exchange) -> str:
    """The method and the route; never a path, of which there are endless."""
    method, operation = exchange.request.method, exchange.operation
    route = operation.path if operation else ""
    return f"{method if method in METHODS else 'HTTP'} {route}".rstrip()


def _caller(request: Request) -> dict[str, str]:
    return {name: request.header(name) for name in ("traceparent", "tracestate")}


def _asked(exchange: Exchange) -> dict[str, Any]:
    """What was asked: also what a sampler may decide by."""
    request, operation = exchange.request, exchange.operation
    host = urlsplit(f"//{request.header('host')}")
    told = {
        "http.request.method": request.method if request.method in METHODS else "_OTHER",
        "http.route": operation and operation.path,
        "url.path": request.path,
        "url.scheme": request.scheme,
        "server.address": host.hostname,
        "server.port": host.port,
        "client.address": request.client,
        "network.protocol.version": request.version,
        "user_agent.original": request.header("user-agent"),
        "calories.request_id": exchange.id,
        "calories.key": exchange.key,
    }
    return {name: value for name, value in told.items() if value}


def _came_to(exchange: Exchange) -> dict[str, Any]:
    status = exchange.response.status if exchange.response else 0
    told: dict[str, Any] = {
        "http.response.status_code": int(status),
        "http.request.body.size": len(exchange.request.body),
        "http.response.body.size": len(exchange.response.body) if exchange.response else 0,
    }
    if status >= 500:
        told["error.type"] = snake(exchange.refusal) or str(int(status))
    if exchange.source:
        told["calories.model"] = exchange.source.model
        told["calories.version"] = exchange.source.version
    if exchange.prediction:
        told["calories.rows"] = len(exchange.rows)
    return told
