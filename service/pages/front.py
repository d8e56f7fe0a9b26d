"""GET / and /static: pages, and what they are made of, with the headers that keep them safe.

A page may load scripts, styles and data from this service only. Nothing is inline and nothing
comes from elsewhere, so that text which finds its way into a page is never run.
"""

import json
import math
from html import escape
from pathlib import Path
from string import Template

from flask import Blueprint, Response, request, send_from_directory

from models.labels import STABLE
from service.api.native import operations as native
from service.errors import ServiceError
from service.serving.dataplane import DataPlane

HERE = Path(__file__).parent
TEMPLATES = HERE / "templates"
STATIC = HERE / "static"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {"Content-Security-Policy": POLICY, **dict(native.PAGE_HEADERS)}


def page(html: bytes) -> Response:
    """A page with its headers."""
    return revalidated(Response(html, content_type="text/html; charset=utf-8", headers=HEADERS))


def revalidated(response: Response) -> Response:
    """An answer of which a browser asks at each visit whether it is still the same (304)."""
    response.headers["Cache-Control"] = "no-cache"
    response.add_etag()
    return response.make_conditional(request)  # type: ignore[return-value]  # it is this response


def first_row(plane: DataPlane) -> str:
    """JSON of the middle cereal in whole grams: the page asks it at once; "" when none answers."""
    try:
        inputs = plane.choose(label=STABLE).manifest.inputs
    except ServiceError:
        return ""
    row = {each.name: math.floor(each.quantiles["0.5"] + 0.5) for each in inputs}
    return json.dumps(row, separators=(",", ":"))


def blueprint(default_model: str, plane: DataPlane) -> Blueprint:
    """The page at the root, which asks `default_model` first, and the files of all pages."""
    routes = Blueprint("pages", __name__)
    template = Template((TEMPLATES / "front.html").read_text())

    @routes.get("/")
    def root() -> Response:
        """Show the page where anyone can try the models."""
        words = {"default_model": default_model, "first_row": first_row(plane)}
        written = {name: escape(word) for name, word in words.items()}
        return page(template.substitute(written).encode())

    @routes.get("/static/<path:file>")
    def static(file: str) -> Response:
        """Give a script, a style or a picture; a browser keeps it and asks if it is the same.

        Where its address has a version, ?v=5.35.0, it is the same for ever and never asked for.
        """
        response = send_from_directory(STATIC, file)
        if "v" in request.args:
            response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        response.headers.update(HEADERS)
        return response

    return routes
