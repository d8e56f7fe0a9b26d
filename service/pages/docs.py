"""GET /openapi.json and /docs: what the service answers, for programs and for people."""

from collections.abc import Callable
from weakref import WeakKeyDictionary

from flask import Blueprint, Response

from models.labels import STABLE
from service.api.native import operations as native
from service.api.routes import respond
from service.errors import ServiceError
from service.pages.front import TEMPLATES, page, revalidated
from service.serving.dataplane import DataPlane
from service.serving.loaded import Loaded


def blueprint(plane: DataPlane, document: Callable[[Loaded], bytes]) -> Blueprint:
    """The OpenAPI document and a page that shows it."""
    routes = Blueprint("docs", __name__)
    html = (TEMPLATES / "docs.html").read_bytes()
    # Anew only for another version; gone with it, for it would keep the engine in memory.
    written: WeakKeyDictionary[Loaded, bytes] = WeakKeyDictionary()

    @routes.get("/openapi.json")
    def openapi() -> Response:
        """Give the OpenAPI document."""
        try:
            source = plane.choose(label=STABLE)
            if source not in written:
                written[source] = document(source)
        except ServiceError as error:
            return respond(native.refuse(error))
        return revalidated(Response(written[source], content_type="application/json"))

    @routes.get("/docs")
    def docs() -> Response:
        """Show the document as a page."""
        return page(html)

    return routes
