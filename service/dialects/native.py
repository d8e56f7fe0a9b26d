"""The native dialect: POST /predict with a row, an array of rows, or columns.

    {"sugar": 5, "fiber": 1, "protein": 2}             one row
    [{"sugar": 5, "fiber": 1, "protein": 2}, ...]      rows
    {"sugar": [5], "fiber": [1], "protein": [2]}       columns

Errors are RFC 9457 problem documents.
"""

from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

import orjson
from numpy.typing import NDArray

from service.dataplane import DataPlane, Prediction
from service.dialects import Headers, Reply, Request, labelled
from service.dialects.records import records
from service.errors import (
    BodyTooLarge,
    EngineFailure,
    Fault,
    InvalidInput,
    MalformedBody,
    NotFound,
    NotLoaded,
    Overloaded,
    ServiceError,
    Unforeseen,
    UnsupportedMediaType,
)
from service.snapshot import Loaded, Model
from service.validation import schema

STATUS = {
    MalformedBody: HTTPStatus.BAD_REQUEST,
    BodyTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    UnsupportedMediaType: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    InvalidInput: HTTPStatus.UNPROCESSABLE_ENTITY,
    NotFound: HTTPStatus.NOT_FOUND,
    NotLoaded: HTTPStatus.SERVICE_UNAVAILABLE,
    EngineFailure: HTTPStatus.INTERNAL_SERVER_ERROR,
    Overloaded: HTTPStatus.SERVICE_UNAVAILABLE,
    Unforeseen: HTTPStatus.INTERNAL_SERVER_ERROR,
}
# The page has its style and pictures in it: nothing else may load, and no script may run.
PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
JSON = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE


def predict(plane: DataPlane, request: Request) -> Reply:
    """Answer one POST /predict."""
    try:
        require_json(request.content_type)
        source = plane.choose(**choice(request.query), key=request.canary_key)
        return _answer(plane, source, request.body)
    except ServiceError as error:
        return refuse(error)


def _answer(plane: DataPlane, source: Loaded, body: bytes) -> Reply:
    """Tell the three forms apart by their brackets: only one that is right gets through."""
    expected = schema(source.inputs, plane.max_rows)
    start = body.lstrip(b" \t\r\n")[:1]
    if start == b"[":
        return _ok(_as_rows(plane.predict(source, expected.rows(body))), labelled(source))
    if b"[" in body:
        return _ok(_as_columns(plane.predict(source, expected.columns(body))), labelled(source))
    return _ok(_as_row(plane.predict(source, expected.row(body))), labelled(source))


def _as_row(answer: Prediction) -> dict[str, Any]:
    return {
        "calories": answer.calories[0],
        "lower": answer.lower[0],
        "upper": answer.upper[0],
        "in_range": bool(answer.in_range[0]),
        **_signed(answer),
    }


def _as_rows(answer: Prediction) -> dict[str, Any]:
    return {"predictions": orjson.Fragment(records(_columns(answer))), **_signed(answer)}


def _as_columns(answer: Prediction) -> dict[str, Any]:
    return {**_columns(answer), **_signed(answer)}


def _columns(answer: Prediction) -> dict[str, NDArray[Any]]:
    return {
        "calories": answer.calories,
        "lower": answer.lower,
        "upper": answer.upper,
        "in_range": answer.in_range,
    }


def _signed(answer: Prediction) -> dict[str, str | int]:
    return {"model": answer.source.model, "version": answer.source.version}


def models(plane: DataPlane) -> Reply:
    """Answer GET /models: every model with its labels and versions."""
    return _ok({"models": [_model(name, served) for name, served in plane.served().items()]})


def model(plane: DataPlane, name: str) -> Reply:
    """Answer GET /models/<name>."""
    try:
        return _ok(_model(name, plane.model(name)))
    except NotFound as error:
        return refuse(error)


def manifest(plane: DataPlane, name: str, version: int) -> Reply:
    """Answer GET /models/<name>/<version>: the manifest."""
    try:
        source = plane.choose(name, version)
    except ServiceError as error:
        return refuse(error)
    return Reply(HTTPStatus.OK, source.manifest.model_dump_json(indent=2).encode() + b"\n")


def report(plane: DataPlane, name: str, version: int) -> Reply:
    """Answer GET /models/<name>/<version>/report: the page about it."""
    try:
        page = plane.report(plane.choose(name, version))
    except ServiceError as error:
        return refuse(error)
    policy = ("content-security-policy", PAGE_POLICY)
    return Reply(HTTPStatus.OK, page, "text/html; charset=utf-8", (policy,))


def _model(name: str, served: Model) -> dict[str, Any]:
    versions = []
    for version, (state, reason) in served.versions().items():
        told: dict[str, Any] = {"version": version, "state": state}
        if version in served.loaded:
            told["engine"] = served.loaded[version].engine.name
        if reason:
            told["reason"] = reason
        versions.append(told)
    shares = {label: share.percent for label, share in served.shares.items()}
    return {
        "name": name,
        "labels": served.labels,
        **({"shares": shares} if shares else {}),
        "versions": versions,
    }


def choice(query: str) -> dict[str, Any]:
    """`model`, `version` and `label` of a query string, for `DataPlane.choose`.

    Raises InvalidInput for any other name (a mistyped one would be answered by the wrong
    model), a name given twice, a version that is no number, and a version with a label.
    """
    pairs = parse_qsl(query, keep_blank_values=True)
    chosen: dict[str, Any] = {}
    faults = []
    for name, value in pairs:
        if name not in {"model", "version", "label"}:
            faults.append(Fault(f"?{name}", "model, version or label", value))
        elif name in chosen:
            faults.append(Fault(f"?{name}", "one value", "several"))
        elif name == "version" and not (value.isascii() and value.isdigit() and len(value) < 10):
            faults.append(Fault("?version", "a positive whole number", value))
        elif not value:
            faults.append(Fault(f"?{name}", "a value", "nothing"))
        chosen[name] = value
    if "version" in chosen and "label" in chosen:
        faults.append(Fault("?version", "either a version or a label", "both"))
    if faults:
        raise InvalidInput(faults)
    if "version" in chosen:
        chosen["version"] = int(chosen["version"])
    return chosen


def require_json(content_type: str) -> None:
    """Raise UnsupportedMediaType unless the content type is application/json."""
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise UnsupportedMediaType(
            f"expected content type application/json, received {content_type or 'none'!r}; "
            "send the header 'content-type: application/json'."
        )


def refuse(error: ServiceError) -> Reply:
    """The problem document of a domain error."""
    faults = error.faults if isinstance(error, InvalidInput) else ()
    return problem(STATUS[type(error)], str(error), faults)


def problem(status: HTTPStatus, detail: str, faults: tuple[Fault, ...] = ()) -> Reply:
    """An RFC 9457 problem document; `errors` lists the wrong fields, where there are any."""
    document: dict[str, Any] = {
        "type": "about:blank",
        "title": status.phrase,
        "status": status.value,
        "detail": detail,
    }
    if faults:
        document["errors"] = [vars(fault) for fault in faults]
    return Reply(status, _dumps(document), "application/problem+json")


def _ok(content: dict[str, Any], headers: Headers = ()) -> Reply:
    return Reply(HTTPStatus.OK, _dumps(content), headers=headers)


def _dumps(content: dict[str, Any]) -> bytes:
    return orjson.dumps(content, option=JSON)
