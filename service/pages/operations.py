"""The pages: to try the models, to read a report, to see the OpenAPI document; and their files."""

import json
import mimetypes
from collections.abc import Callable
from functools import partial
from html import escape
from pathlib import Path
from string import Template
from urllib.parse import parse_qs
from weakref import WeakKeyDictionary

from models.labels import STABLE
from service.errors import NotFound, ServiceError
from service.exchange import Dialect, Exchange, Operation, Response
from service.pages.headers import HTML, REPORT_POLICY, guards, revalidated
from service.serving.dataplane import DataPlane, version_of
from service.serving.loaded import Loaded

HERE = Path(__file__).parent
TEMPLATES = HERE / "templates"
STATIC = HERE / "static"
FILES = {str(path.relative_to(STATIC)): path for path in STATIC.rglob("*") if path.is_file()}
FOREVER = "public, max-age=31536000, immutable"


def operations(
    plane: DataPlane, document: Callable[[Loaded], bytes], dialect: Dialect, *, closed: bool
) -> tuple[Operation, ...]:
    """Their rows of the table; `document` writes the OpenAPI document about a version.

    Where predicting is `closed` to who has no key, what is open tells nothing that needs one.
    """
    template = Template((TEMPLATES / "front.html").read_text())
    front_ = partial(front, None if closed else plane, template)
    shown = (TEMPLATES / "docs.html").read_bytes()
    # Anew only for another version; gone with it, for it would keep the engine in memory.
    written: WeakKeyDictionary[Loaded, bytes] = WeakKeyDictionary()
    report_ = partial(report, plane)
    return (
        Operation("page", "GET", "/", front_, dialect, "open"),
        Operation("docs", "GET", "/docs", partial(docs, shown), dialect, "open"),
        Operation(
            "openapi",
            "GET",
            "/openapi.json",
            partial(openapi, plane, document, written),
            dialect,  # it shows what other operations answer: their key
        ),
        Operation("static", "GET", "/static/{file:path}", static, dialect, "open"),
        Operation("report", "GET", "/models/{model}/{version}/report", report_, dialect),
    )


def front(plane: DataPlane | None, template: Template, exchange: Exchange) -> Response:
    """The page where anyone can try the models; where it may tell, with its first question."""
    words = {
        "default_model": plane.default_model if plane else "",
        "first_row": first_row(plane) if plane else "",
    }
    written = {name: escape(word) for name, word in words.items()}
    return revalidated(exchange, template.substitute(written).encode(), HTML, guards())


def docs(page: bytes, exchange: Exchange) -> Response:
    """The OpenAPI document as a page."""
    return revalidated(exchange, page, HTML, guards())


def openapi(
    plane: DataPlane,
    document: Callable[[Loaded], bytes],
    written: WeakKeyDictionary[Loaded, bytes],
    exchange: Exchange,
) -> Response:
    """The OpenAPI document."""
    source = plane.choose(label=STABLE)
    if source not in written:
        written[source] = document(source)
    return revalidated(exchange, written[source], "application/json")


def static(exchange: Exchange) -> Response:
    """A script, a style or a picture; a browser keeps it and asks if it is the same.

    Where its address has a version, ?v=5.35.0, it is the same for ever and never asked for.
    """
    path = FILES.get(exchange.arguments["file"])
    if path is None:
        raise NotFound("There is nothing at this path; predictions are at POST /predict.")
    caching = FOREVER if "v" in parse_qs(exchange.request.query) else "no-cache"
    content_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    if content_type.startswith("text/"):
        content_type += "; charset=utf-8"
    return revalidated(exchange, path.read_bytes(), content_type, guards(), caching)


def report(plane: DataPlane, exchange: Exchange) -> Response:
    """The page that training wrote about a version."""
    named = exchange.arguments
    source = exchange.source = plane.choose(named["model"], version_of(named["version"]))
    return Response(200, plane.report(source), HTML, guards(REPORT_POLICY))


def first_row(plane: DataPlane) -> str:
    """JSON of the row in the middle of the training data: the page asks it at once.

    "" when none answers.
    """
    try:
        source = plane.choose(label=STABLE)
    except ServiceError:
        return ""
    return json.dumps(source.manifest.middle, separators=(",", ":"))
