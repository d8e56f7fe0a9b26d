"""The composition root: from Settings to a Flask app."""

from collections import deque
from collections.abc import Sequence
from functools import partial
from http import HTTPStatus

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from service.api.admin import routes as admin
from service.api.answers import Reply
from service.api.fast_path import FastPath
from service.api.native import models
from service.api.native import operations as native
from service.api.native import routes as predict
from service.api.operating import health
from service.api.operating import metrics as metric_routes
from service.api.routes import respond
from service.api.scopes import Scopes
from service.api.spoken import dialect
from service.api.tfserving import operations as tfserving
from service.api.tfserving import routes as v1_routes
from service.api.v2 import operations as v2
from service.api.v2 import routes as v2_routes
from service.errors import ServiceError
from service.gate.access import Access, keys_of
from service.gate.guard import Guard
from service.gate.room import Room
from service.gate.wire import ROUTE
from service.observe.access_log import AccessLog
from service.observe.metrics import Metrics
from service.observe.metrics.families import key
from service.observe.watch import Watched, Watcher
from service.optional import traced
from service.pages import docs
from service.pages import front as pages
from service.serving import policy, trust
from service.serving.dataplane import DataPlane
from service.serving.host import Host
from service.serving.loaded import Loaded
from service.settings import Settings


def create_host(settings: Settings) -> Host:
    """The host with everything loaded that the registry holds now; it does not follow yet."""
    shelf = trust.registry(settings.registry, settings.public_key)
    host = Host(shelf, settings.engine, policy.parse(settings.versions))
    host.refresh()
    return host


def create_watchers(settings: Settings, metrics: Metrics) -> list[Watcher]:
    """Whoever the settings want to be told of each request."""
    watchers: list[Watcher] = []
    if settings.access_log:
        watchers.append(AccessLog(settings.access_log))
    if traced(settings):
        from service.observe.traces import otlp  # noqa: PLC0415  only for those who want it

        watchers.append(otlp())
    if settings.prediction_log:
        from service.observe.prediction_log import PredictionLog  # noqa: PLC0415  pyarrow, 100 MB

        dropped = partial(metrics.note, key("calories_prediction_log_dropped_total"))
        dropped(0)  # so that it is seen before it happens
        kept = PredictionLog(settings.prediction_log, settings.prediction_log_megabytes, dropped)
        kept.follow()
        watchers.append(kept)
    return watchers


def create_app(
    settings: Settings,
    host: Host,
    metrics: Metrics | None = None,
    watchers: Sequence[Watcher] = (),
) -> Flask:
    """The app that answers with the versions in `host`, counts in `metrics`, tells `watchers`."""
    metrics = metrics or Metrics(host, server=settings.server)
    observer = Watched(metrics, watchers) if watchers else metrics
    app = Flask("service", static_folder=None)
    app.json.sort_keys = False  # type: ignore[attr-defined]  # of Flask's DefaultJSONProvider
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False  # a redirect would be a page, to whatever Host says
    app.config["PROPAGATE_EXCEPTIONS"] = True  # to the guard, which answers for both ways

    keys = keys_of(settings)
    plane = DataPlane(host, settings.default_model, settings.max_rows, observer)
    app.register_blueprint(predict.blueprint(plane))
    app.register_blueprint(models.blueprint(plane))
    app.register_blueprint(v1_routes.blueprint(plane))
    app.register_blueprint(v2_routes.blueprint(plane))
    app.register_blueprint(health.blueprint(plane))
    app.register_blueprint(metric_routes.blueprint(metrics))
    app.register_blueprint(pages.blueprint(settings.default_model, plane))
    app.register_blueprint(admin.blueprint(host, settings, keys))
    app.register_blueprint(docs.blueprint(plane, partial(_document, settings, host)))
    app.register_error_handler(HTTPException, _refuse)
    app.before_request(_name_route)

    model = settings.default_model
    hot = {
        "/predict": partial(native.predict, plane),
        f"/v1/models/{model}:predict": partial(tfserving.predict, plane, model=model),
        f"/v2/models/{model}/infer": partial(v2.infer, plane, model=model),
    }
    if settings.fast_path:
        app.wsgi_app = FastPath(app.wsgi_app, hot)  # type: ignore[method-assign]
    app.wsgi_app = Guard(  # type: ignore[method-assign]
        app.wsgi_app,
        _refusal,
        max_body_bytes=settings.max_body_bytes,
        max_in_flight=settings.max_in_flight,
        room=Room(settings.room_for_bodies),
        admit=Access(settings, keys, Scopes(app.url_map, hot)),
        observer=observer,
    )
    return app


def _document(settings: Settings, host: Host, source: Loaded) -> bytes:
    """The OpenAPI document; its examples are asked of an app of their own, which counts apart."""
    from service.api.document import document  # noqa: PLC0415  megabytes that only this takes

    anyone = settings.model_copy(update={"predict_key_waived": True})
    apart = Metrics(host, server=settings.server, loads=deque())
    return document(create_app(anyone, host, apart), source, settings.max_rows)


def _refusal(path: str, error: ServiceError) -> Reply:
    """The guard's refusals, in the dialect spoken at the path."""
    return dialect(path).refuse(error)


def _name_route() -> None:
    """Tell the observer which route a path belongs to; the fast path names its own."""
    if request.url_rule is not None:
        request.environ[ROUTE] = request.url_rule.rule


def _refuse(error: HTTPException) -> Response:
    """Flask's own refusals (404, 405 ...) in the path's dialect, their headers kept."""
    status = HTTPStatus(error.code or HTTPStatus.INTERNAL_SERVER_ERROR)
    response = respond(dialect(request.path).problem(status, _sentence(error, status)))
    for name, value in error.get_headers():
        if name.lower() != "content-type":
            response.headers[name] = value
    return response


def _sentence(error: HTTPException, status: HTTPStatus) -> str:
    if isinstance(error, MethodNotAllowed):
        return f"This path answers {', '.join(sorted(error.valid_methods or []))} only."
    if status == HTTPStatus.NOT_FOUND:
        return "There is nothing at this path; predictions are at POST /predict."
    return error.description or status.phrase
