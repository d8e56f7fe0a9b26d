"""POST /predict."""

from flask import Blueprint, Response, request

from service.dataplane import DataPlane
from service.dialects import native
from service.routes import read_body, respond


def blueprint(plane: DataPlane) -> Blueprint:
    """The native prediction."""
    routes = Blueprint("predict", __name__)

    @routes.post("/predict")
    def predict() -> Response:
        """Predict calories for a row, rows or columns."""
        body = read_body()
        query = request.query_string.decode("latin-1")
        return respond(native.predict(plane, body, request.content_type or "", query))

    return routes
