"""/admin/...: labels moved over HTTP, and the state of a worker. The guard asks for the key."""

from flask import Blueprint, Response, request

from service.api.admin import operations as admin
from service.api.routes import respond
from service.gate.wire import received
from service.keys import Keys
from service.serving.host import Host
from service.settings import Settings


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
