"""Traces: a span a request, with its validation, inference and rendering inside (OpenTelemetry).

A request's span begins with it, so that log lines can name the trace; those inside are made when
it is over, from the times that were noted: so the dialects know nothing of them, and a request
that is not recorded pays for none. Attributes are those of the HTTP
semantic conventions 1.23 and later (https://opentelemetry.io/docs/specs/semconv/http/http-spans/).
Only imported where traces are wanted.
"""

import atexit
import os
from collections.abc import Iterator
from contextlib import suppress
from time import perf_counter, time_ns
from typing import Any
from urllib.parse import urlsplit

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import (
    SpanKind,
    StatusCode,
    Tracer,
    format_trace_id,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from service import __version__
from service.exchange import Exchange, Request
from service.observe.metrics.record import snake
from service.observe.trace_context import TraceContext, trace_context

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
    atexit.register(provider.shutdown)
    return Traces(provider.get_tracer("service", __version__))


class Traces:
    """Tells a tracer of requests; which of them it records, its sampler says."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def begin(self, exchange: Exchange) -> None:
        """Begin the span of a request, and so its trace, if no caller has begun that."""
        span = exchange.span = self._tracer.start_span(
            _name(exchange),
            CALLER.extract(_caller(exchange.request)),
            SpanKind.SERVER,
            _asked(exchange),
            start_time=time_ns() - _nanoseconds(perf_counter()) + _nanoseconds(exchange.began),
        )
        exchange.trace = trace_context(exchange.request)
        if exchange.trace is None and span.is_recording():
            trace_id = format_trace_id(span.get_span_context().trace_id)
            exchange.trace = TraceContext(trace_id, "", sampled=True)

    def __call__(self, exchange: Exchange) -> None:
        """End the span of a request, with those of its parts inside."""
        span = exchange.span
        if span is None or not span.is_recording():
            return
        # One clock: whatever happened is as far from the start as the monotonic clock says.
        epoch = span.start_time - _nanoseconds(exchange.began)
        ended = epoch + _nanoseconds(exchange.began + exchange.seconds)
        span.set_attributes(_came_to(exchange))
        if exchange.response is None or exchange.response.status >= 500:
            span.set_status(StatusCode.ERROR)
        for name, start, end in _parts(exchange, epoch, ended):
            inner = self._tracer.start_span(name, set_span_in_context(span), start_time=start)
            inner.end(end)
        span.end(ended)


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1e9)


def _parts(exchange: Exchange, epoch: int, ended: int) -> Iterator[Part]:
    """What a request that was answered was busy with, in nanoseconds since 1970."""
    found = exchange.prediction
    if found:
        edges = (exchange.began, found.asked, found.answered)
        began, asked, answered = (min(epoch + _nanoseconds(edge), ended) for edge in edges)
        yield "validate", began, asked
        yield "infer", asked, answered
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
    name, port = _server(request.header("host"))
    told = {
        "http.request.method": request.method if request.method in METHODS else "_OTHER",
        "http.request.method_original": "" if request.method in METHODS else request.method,
        "http.route": operation and operation.path,
        "url.path": request.path,
        "url.scheme": request.scheme,
        "server.address": name,
        "server.port": port,
        "client.address": request.client,
        "network.protocol.version": request.version,
        "user_agent.original": request.header("user-agent"),
        "calories.request_id": exchange.id,
    }
    return {name: value for name, value in told.items() if value}


def _server(host: str) -> tuple[str | None, int | None]:
    """The name and the port in a Host header; neither where it cannot be read."""
    with suppress(ValueError):
        found = urlsplit(f"//{host}")
        return found.hostname, found.port
    return None, None


def _came_to(exchange: Exchange) -> dict[str, Any]:
    status = exchange.response.status if exchange.response else 0
    told: dict[str, Any] = {
        "http.response.status_code": int(status),
        "http.request.body.size": len(exchange.request.body),
        "http.response.body.size": len(exchange.response.body) if exchange.response else 0,
    }
    if status >= 500:
        told["error.type"] = snake(exchange.refusal) or str(int(status))
    if exchange.key:
        told["calories.key"] = exchange.key
    if exchange.source:
        told["calories.model"] = exchange.source.model
        told["calories.version"] = exchange.source.version
    if exchange.prediction:
        told["calories.rows"] = len(exchange.prediction.rows)
    return told
