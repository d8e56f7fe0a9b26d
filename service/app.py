"""The composition root: from Settings to the application, and to a Flask app around it."""

import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from time import perf_counter

from flask import Flask

from service.api.admin import operations as admin
from service.api.flask_app import Entered, FlaskApp
from service.api.native import operations as native
from service.api.native.errors import OTHER
from service.api.operating import operations as operating
from service.api.table import Table
from service.api.tfserving import operations as tfserving
from service.api.v2 import operations as v2
from service.errors import ServiceError, Unforeseen
from service.exchange import Exchange, Operation, Response
from service.gate.access import keys_of
from service.gate.gate import Gate
from service.gate.room import Room
from service.logs import catalogue
from service.logs.survivor import Survivor
from service.observe.access_log import AccessLog
from service.observe.installed import traced
from service.observe.metrics import Metrics
from service.observe.metrics.families import key
from service.observe.trace_context import trace_of
from service.pages import operations as pages
from service.serving import trust, version_policy
from service.serving.dataplane import DataPlane
from service.serving.host import Host
from service.serving.loaded import Loaded
from service.settings import Settings

log = logging.getLogger("service")

Observer = Callable[[Exchange], None]  # told of each request once, when it is over


def create_host(settings: Settings) -> Host:
    """The host with everything loaded that the registry holds now; it does not follow yet."""
    shelf = trust.registry(settings.registry, settings.public_key)
    host = Host(shelf, settings.engine, version_policy.parse(settings.versions))
    host.refresh()
    return host


def create_observers(settings: Settings, metrics: Metrics) -> list[Observer]:
    """Whoever the settings want to be told of each request, beside the metrics."""
    observers: list[Observer] = []
    if settings.access_log:
        observers.append(AccessLog(settings.access_log))
    if traced(settings):
        from service.observe.traces import otlp  # noqa: PLC0415  only for those who want it

        observers.append(otlp())
    if settings.prediction_log:
        from service.observe.prediction_log import PredictionLog  # noqa: PLC0415  pyarrow, 100 MB

        dropped = partial(metrics.note, key("calories_prediction_log_dropped_total"))
        dropped(0)  # so that it is seen before it happens
        kept = PredictionLog(settings.prediction_log, settings.prediction_log_megabytes, dropped)
        kept.follow()
        observers.append(kept)
    return observers


class Application:
    """Takes exchanges from a server: finds their operations, and lets in, answers and tells.

    As exchange.Application says: none of these raises, and they are called in this order.
    """

    def __init__(self, table: Table, gate: Gate, observers: Sequence[Observer]) -> None:
        self.table = table
        self._exact = table.exact
        self.flask = FlaskApp(table)
        self._gate = gate
        self._observers = observers
        self._survivor = Survivor("observers")
        # Told as soon as it is known what answers, and whether it may.
        self._beginners: list[Observer] = [it.begin for it in observers if hasattr(it, "begin")]

    def enter(self, exchange: Exchange) -> None:
        """Find what answers, and let it in, or set the response that refuses it."""
        method, path = exchange.request.method, exchange.request.path
        found = self._exact.get((method, path)) or self.table.find(method, path)
        if found:
            operation, exchange.arguments = found
            exchange.operation, exchange.dialect = operation, operation.dialect
        try:
            self._gate.enter(exchange)
        except ServiceError as error:
            self.refuse(exchange, error)
        for begin in self._beginners:
            self._survivor.run(begin, exchange)
        if not found:
            self._unmatched(exchange)

    def answer(self, exchange: Exchange) -> None:
        """Let the operation answer, within Flask unless it is hot, or word what it raises."""
        operation = exchange.operation
        assert operation  # noqa: S101  else it was refused
        try:
            if operation.hot or operation.watching:
                exchange.response = operation.answer(exchange)
            else:
                exchange.response = self.flask.answer(exchange)
        except ServiceError as error:
            exchange.response = operation.dialect.refuse(error)
        except Exception as error:  # noqa: BLE001  whatever it is, the client gets an answer
            self.refuse(exchange, error)

    def refuse(self, exchange: Exchange, error: Exception) -> None:
        """Word a refusal; what is none of ours is logged with its traceback, and is a failure."""
        if not isinstance(error, ServiceError):
            trace = trace_of(exchange)
            told = {"request_id": exchange.id, "trace_id": trace.trace_id if trace else ""}
            catalogue.tell(log, catalogue.REQUEST_FAILED, **told)
            error = Unforeseen()
        exchange.refusal = type(error).__name__
        exchange.response = exchange.dialect.refuse(error)  # type: ignore[union-attr]

    def leave(self, exchange: Exchange) -> None:
        """Tell the observers; what one of them raises costs no answer."""
        exchange.seconds = perf_counter() - exchange.began
        for observe in self._observers:
            try:
                observe(exchange)
            except Exception as error:  # noqa: BLE001  whatever it is, the others are told
                self._survivor.note(error)
        # Flask's objects refer to each other and to this one: they stay until Python looks for
        # such, which may be when a thousand bodies have come.
        exchange.request.body = b""

    def _unmatched(self, exchange: Exchange) -> None:
        """No row answers: 404, 405, or for OPTIONS the methods that there are."""
        request = exchange.request
        exchange.dialect = self.table.dialect(request.path)
        allowed = self.table.allowed(request.path)
        if allowed and request.method == "OPTIONS":
            exchange.response = Response(200, b"", headers=(("Allow", ", ".join(allowed)),))
        else:
            exchange.response = exchange.dialect.unmatched(request, allowed)


def create_application(
    settings: Settings,
    host: Host,
    metrics: Metrics | None = None,
    observers: Sequence[Observer] = (),
) -> Application:
    """What answers with the versions in `host`, counts in `metrics`, and tells `observers`."""
    metrics = metrics or Metrics(host)
    keys = keys_of(settings)
    plane = DataPlane(host, settings.default_model, settings.max_rows)
    rows: tuple[Operation, ...] = (
        *native.operations(plane),
        *tfserving.operations(plane),
        *v2.operations(plane),
        *admin.operations(host, settings.told(), keys),
        *operating.operations(plane, metrics.scrape),
        *pages.operations(
            plane,
            partial(_document, settings, host),
            OTHER,
            closed=settings.predict_needs_key,
        ),
    )
    if not settings.fast_path:
        rows = tuple(replace(row, hot=row.hot and row.watching) for row in rows)
    table = Table(rows, OTHER, {"model": settings.default_model})
    return Application(table, Gate(settings, keys), (metrics, *observers))


def create_app(
    settings: Settings,
    host: Host,
    metrics: Metrics | None = None,
    observers: Sequence[Observer] = (),
) -> Flask:
    """The same as a Flask app, for any WSGI server."""
    return flask_app(create_application(settings, host, metrics, observers), settings)


def flask_app(application: Application, settings: Settings) -> Flask:
    """An application as a Flask app that enters its exchanges itself."""
    app = application.flask
    room = Room(settings.room_for_bodies)
    app.wsgi_app = Entered(application, room, settings.max_body_bytes)  # type: ignore[method-assign]
    return app


def _document(settings: Settings, host: Host, source: Loaded) -> bytes:
    """The OpenAPI document; its examples are asked of an application that counts apart."""
    from service.api.document import document  # noqa: PLC0415  megabytes for this alone

    anyone = settings.model_copy(update={"predict_key_waived": True})
    apart = Metrics(host, loads=deque())
    application = create_application(anyone, host, apart)
    return document(application.table, application, source, settings.max_rows)
