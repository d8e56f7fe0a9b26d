"""POST /predict and /explain."""

from flask import Blueprint, Response, request

from service.api.native import explain as explanation
from service.api.native import operations as native
from service.api.routes import respond
from service.gate.wire import received
from service.serving.dataplane import DataPlane


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
