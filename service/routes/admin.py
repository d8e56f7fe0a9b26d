"""/admin/...: labels moved over HTTP, and the state of a worker. The guard asks for the key."""

from flask import Blueprint, Response, request

from service.config import Settings
from service.dialects import admin
from service.host import Host
from service.keys import Keys
from service.routes import respond
from service.wire import received


def blueprint(host: Host, settings: Settings, keys: Keys) -> Blueprint:
    """What moves labels, and what tells how things stand."""
    routes = Blueprint("admin", __name__, url_prefix="/admin")

    @routes.put("/models/<model>/labels/<name>")
    def label(model: str, name: str) -> Response:
        """Point a label at a version."""
        return respond(admin.label(host, received(request.environ), model, name))

    @routes.delete("/models/<model>/labels/<name>")
    def unlabel(model: str, name: str) -> Response:
        """Take a label away."""
        return respond(admin.unlabel(host, received(request.environ), model, name))

    @routes.post("/models/<model>/rollback")
    def rollback(model: str) -> Response:
        """Undo a label's last move."""
        return respond(admin.rollback(host, received(request.environ), model))

    @routes.get("/status")
    def status() -> Response:
        """Tell what this worker holds, and its settings."""
        return respond(admin.status(host, settings.told(), keys))

    return routes
