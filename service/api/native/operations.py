"""The native dialect: predictions and explanations, and what is served."""

from collections.abc import Callable
from functools import partial
from typing import Any

from service.api import answers
from service.api.answers import JSON, ok
from service.api.native import read, write
from service.api.native.errors import NATIVE, OTHER
from service.codecs.json_rows import schema
from service.exchange import Exchange, Operation, Response
from service.serving.dataplane import DataPlane, version_of
from service.serving.loaded import Loaded

NOTHING: dict[str, Any] = {}  # is named by a request without a query


def operations(plane: DataPlane) -> tuple[Operation, ...]:
    """Its rows of the table."""

    def told(name: str, path: str, answer: Callable[[DataPlane, Exchange], Response]) -> Operation:
        return Operation(name, "GET", path, partial(answer, plane), OTHER)

    version = "/models/{model}/{version}"
    return (
        Operation(
            "predict",
            "POST",
            "/predict",
            partial(predict, plane),
            NATIVE,
            hot=True,
            takes_body=True,
        ),
        Operation("explain", "POST", "/explain", partial(explain, plane), NATIVE, takes_body=True),
        told("models", "/models", models),
        told("model", "/models/{model}", model),
        told("manifest", version, manifest),
        told("training", f"{version}/training", training),
    )


def predict(plane: DataPlane, exchange: Exchange) -> Response:
    """Predict calories for a row, rows or columns."""
    request = exchange.request
    headers, query = request.headers, request.query
    given = headers.get("content-type") or ""
    if given != JSON or headers.get("content-encoding"):
        given = read.given_type(request)
    wanted = headers.get("accept")
    wanted = write.wanted_type(wanted, given) if wanted and wanted != "*/*" else given
    named = read.choice(query) if query else NOTHING
    source = exchange.source = plane.choose(**named, key=headers.get("x-canary-key") or "")
    if given == JSON:
        rows, form = schema(source.inputs, plane.max_rows).read(request.body)
    else:
        rows, form = read.rows(given, request.body, source.inputs, plane.max_rows)
    return write.predicted(answers.predict(exchange, rows), wanted, form)


def explain(plane: DataPlane, exchange: Exchange) -> Response:
    """Predict, and tell what each input adds."""
    given = read.given_type(exchange.request)
    source = answers.choose(plane, exchange, **read.choice(exchange.request.query))
    rows, form = read.rows(given, exchange.request.body, source.inputs, plane.max_rows)
    return write.explained(answers.explain(plane, exchange, rows), form)


def models(plane: DataPlane, _: Exchange) -> Response:
    """List the models with their labels and versions, and tell which is the default."""
    listed = [write.described(name, each) for name, each in plane.served().items()]
    return ok({"models": listed, "default": plane.default_model})


def model(plane: DataPlane, exchange: Exchange) -> Response:
    """Tell one model's labels and versions."""
    name = exchange.arguments["model"]
    return ok(write.described(name, plane.model(name)))


def manifest(plane: DataPlane, exchange: Exchange) -> Response:
    """Give a version's manifest."""
    source = _named(plane, exchange)
    return Response(200, source.manifest.model_dump_json(indent=2).encode() + b"\n")


def training(plane: DataPlane, exchange: Exchange) -> Response:
    """Give rows that a version was trained on, with what was measured, as CSV."""
    source = _named(plane, exchange)
    return Response(200, plane.rows(source), "text/csv; charset=utf-8")


def _named(plane: DataPlane, exchange: Exchange) -> Loaded:
    """The version that the path names."""
    named = exchange.arguments
    return answers.choose(plane, exchange, named["model"], version_of(named["version"]))
