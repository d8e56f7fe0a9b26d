"""POST /predict and /explain."""

from flask import Blueprint, Response, request

from service.dataplane import DataPlane
from service.dialects import explain as explanation
from service.dialects import native
from service.routes import respond
from service.wire import received


def blueprint(plane: DataPlane) -> Blueprint:
    """The native prediction and its explanation."""
    routes = Blueprint("predict", __name__)

    @routes.post("/predict")
    def predict() -> Response:
        """Predict calories for a row, rows or columns."""
        return respond(native.predict(plane, received(request.environ)))

    @routes.post("/explain")
    def explain() -> Response:
        """Predict, and tell what each input adds."""
        return respond(explanation.explain(plane, received(request.environ)))

    return routes
