"""The composition root: from Settings to a Flask app."""

import logging
from http import HTTPStatus

from flask import Flask, Response
from werkzeug.exceptions import HTTPException, MethodNotAllowed, RequestEntityTooLarge

from models.registry import Registry
from service.config import Settings
from service.dataplane import DataPlane
from service.dialects import native
from service.host import Host
from service.routes import health, models, predict, respond

log = logging.getLogger("service")


def create_host(settings: Settings) -> Host:
    """The host with everything loaded that the registry holds now; it does not follow yet."""
    host = Host(Registry(settings.registry), settings.engine, settings.latest_versions)
    host.refresh()
    return host


def create_app(settings: Settings, host: Host) -> Flask:
    """The app that answers with the versions in `host`."""
    app = Flask("service", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
    app.json.sort_keys = False  # type: ignore[attr-defined]  # of Flask's DefaultJSONProvider
    app.url_map.strict_slashes = False

    plane = DataPlane(host, settings.default_model, settings.max_rows)
    app.register_blueprint(predict.blueprint(plane))
    app.register_blueprint(models.blueprint(plane))
    app.register_blueprint(health.blueprint(plane))

    app.register_error_handler(HTTPException, _refuse)
    app.register_error_handler(Exception, _fail)
    return app


def _refuse(error: HTTPException) -> Response:
    """Flask's own refusals (404, 405, 413 ...) as problem documents, their headers kept."""
    status = HTTPStatus(error.code or HTTPStatus.INTERNAL_SERVER_ERROR)
    response = respond(native.problem(status, _sentence(error, status)))
    for name, value in error.get_headers():
        if name.lower() != "content-type":
            response.headers[name] = value
    return response


def _sentence(error: HTTPException, status: HTTPStatus) -> str:
    if isinstance(error, RequestEntityTooLarge):
        return "The body is larger than MAX_BODY_BYTES allows; send fewer rows a request."
    if isinstance(error, MethodNotAllowed):
        return f"This path answers {', '.join(sorted(error.valid_methods or []))} only."
    if status == HTTPStatus.NOT_FOUND:
        return "There is nothing at this path; predictions are at POST /predict."
    return error.description or status.phrase


def _fail(error: Exception) -> Response:
    """Anything unforeseen: the log gets the traceback, the client a sentence."""
    log.error("A request failed.", exc_info=error)
    detail = "The service failed to answer; its log says why."
    return respond(native.problem(HTTPStatus.INTERNAL_SERVER_ERROR, detail))
