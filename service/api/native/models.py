"""GET /models and below: what is served."""

from flask import Blueprint, Response

from service.api.native import operations as native
from service.api.routes import respond
from service.serving.dataplane import DataPlane


def blueprint(plane: DataPlane) -> Blueprint:
    """The models, their versions, manifests and reports."""
    routes = Blueprint("models", __name__, url_prefix="/models")

    @routes.get("")
    def models() -> Response:
        """List the models with their labels and versions."""
        return respond(native.models(plane))

    @routes.get("/<name>")
    def model(name: str) -> Response:
        """Tell one model's labels and versions."""
        return respond(native.model(plane, name))

    @routes.get("/<name>/<version>")
    def manifest(name: str, version: str) -> Response:
        """Give a version's manifest."""
        return respond(native.manifest(plane, name, version))

    @routes.get("/<name>/<version>/report")
    def report(name: str, version: str) -> Response:
        """Give a version's report, a page."""
        return respond(native.report(plane, name, version))

    @routes.get("/<name>/<version>/training")
    def rows(name: str, version: str) -> Response:
        """Give rows that a version was trained on, with what was measured."""
        return respond(native.rows(plane, name, version))

    return routes
