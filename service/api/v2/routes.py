"""/v2/...: the Open Inference Protocol, with Triton's repository index."""

from flask import Blueprint, Response, request

from service.api.routes import respond
from service.api.v2 import operations as v2
from service.gate.wire import received
from service.serving.dataplane import DataPlane


def blueprint(plane: DataPlane) -> Blueprint:
    """Health, metadata, inference and the repository."""
    routes = Blueprint("v2", __name__, url_prefix="/v2")

    @routes.get("")
    def server() -> Response:
        """Tell what this server is."""
        return respond(v2.server(plane))

    @routes.get("/health/live")
    def live() -> Response:
        """Tell that the process answers."""
        return respond(v2.live(plane))

    @routes.get("/health/ready")
    def ready() -> Response:
        """Tell whether the default model answers."""
        return respond(v2.ready(plane))

    @routes.get("/models/<model>")
    @routes.get("/models/<model>/versions/<version>")
    def metadata(model: str, version: str | None = None) -> Response:
        """Tell a model's tensors."""
        return respond(v2.metadata(plane, model, version))

    @routes.get("/models/<model>/ready")
    @routes.get("/models/<model>/versions/<version>/ready")
    def model_ready(model: str, version: str | None = None) -> Response:
        """Tell whether a model answers."""
        return respond(v2.model_ready(plane, model, version))

    @routes.post("/models/<model>/infer")
    @routes.post("/models/<model>/versions/<version>/infer")
    def infer(model: str, version: str | None = None) -> Response:
        """Infer from tensors."""
        return respond(v2.infer(plane, received(request.environ), model, version))

    @routes.post("/repository/index")
    def index() -> Response:
        """List every version and its state."""
        return respond(v2.index(plane, received(request.environ)))

    @routes.post("/repository/models/<model>/load")
    @routes.post("/repository/models/<model>/unload")
    def load(model: str) -> Response:
        """Say that the registry decides what is loaded."""
        return respond(v2.load(plane, model))

    return routes
