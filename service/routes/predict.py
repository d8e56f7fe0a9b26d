"""POST /predict."""

from flask import Blueprint, Response, request

from service.dataplane import DataPlane
from service.dialects import native
from service.routes import respond
from service.wire import received


def blueprint(plane: DataPlane) -> Blueprint:
    """The native prediction."""
    routes = Blueprint("predict", __name__)

    @routes.post("/predict")
    def predict() -> Response:
        """Predict calories for a row, rows or columns."""
        return respond(native.predict(plane, received(request.environ)))

    return routes
