"""GET /openapi.json and /docs: what the service answers, for programs and for people."""

from collections.abc import Callable
from functools import lru_cache

from flask import Blueprint, Response, request

from models.labels import STABLE
from service.dataplane import DataPlane
from service.dialects import native
from service.errors import ServiceError
from service.routes import respond
from service.routes.pages import TEMPLATES, page
from service.snapshot import Loaded


def blueprint(plane: DataPlane, document: Callable[[Loaded], bytes]) -> Blueprint:
    """The OpenAPI document and a page that shows it."""
    routes = Blueprint("docs", __name__)
    html = (TEMPLATES / "docs.html").read_bytes()
    written = lru_cache(maxsize=1)(document)  # anew only when another version is stable

    @routes.get("/openapi.json")
    def openapi() -> Response:
        """Give the OpenAPI document."""
        try:
            content = written(plane.choose(label=STABLE))
        except ServiceError as error:
            return respond(native.refuse(error))
        response = Response(content, content_type="application/json")
        response.headers["Cache-Control"] = "no-cache"
        response.add_etag()
        return response.make_conditional(request)  # type: ignore[return-value]  # it is this response

    @routes.get("/docs")
    def docs() -> Response:
        """Show the document as a page."""
        return page(html)

    return routes
