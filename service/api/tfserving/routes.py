"""/v1/...: TensorFlow Serving's REST API."""

from flask import Blueprint, Response, request
from werkzeug.routing import BaseConverter

from service.api.routes import respond
from service.api.tfserving import operations as tfserving
from service.gate.wire import received
from service.serving.dataplane import DataPlane


class AnyCase(BaseConverter):
    """/v1 and /V1: TensorFlow Serving's paths are the same in either case."""

    regex = "[vV]1"


class Anything(BaseConverter):
    """All of the rest of a path; Werkzeug's own `path` stops at a newline."""

    part_isolating = False
    regex = "[^/](?s:.*?)"
    weight = 200  # as `path`: whatever says more of the path goes first


def blueprint(plane: DataPlane) -> Blueprint:
    """Everything below /v1/; the dialect itself tells the paths apart."""
    routes = Blueprint("tfserving", __name__)
    converters = {"v1": AnyCase, "anything": Anything}
    routes.record_once(lambda setup: setup.app.url_map.converters.update(converters))

    @routes.route("/<v1:_>/<anything:_rest>", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
    def v1(_: str, _rest: str) -> Response:
        """Answer status, metadata, predict, regress, classify and explain."""
        return respond(tfserving.answer(plane, received(request.environ)))

    return routes
