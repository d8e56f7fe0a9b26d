"""GET /healthz, /readyz and /version."""

import platform
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response

from service import __version__
from service.api.native import operations as native
from service.api.routes import respond
from service.serving.dataplane import DataPlane


def blueprint(plane: DataPlane) -> Blueprint:
    """Whether the service lives, whether it can answer, and what it is."""
    routes = Blueprint("health", __name__)

    @routes.get("/healthz")
    def healthz() -> dict[str, str]:
        """Tell that the process answers."""
        return {"status": "ok"}

    @routes.get("/readyz")
    def readyz() -> Response | dict[str, str]:
        """Tell whether the default model answers."""
        reason = plane.ready()
        if reason:
            return respond(native.problem(HTTPStatus.SERVICE_UNAVAILABLE, reason))
        return {"status": "ready"}

    @routes.get("/version")
    def version() -> dict[str, Any]:
        """Tell the versions of the service and of Python."""
        return {"service": __version__, "python": platform.python_version()}

    return routes
