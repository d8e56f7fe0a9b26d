"""The native dialect: POST /predict with a row, an array of rows, or columns.

    {"sugar": 5, "fiber": 1, "protein": 2}             one row
    [{"sugar": 5, "fiber": 1, "protein": 2}, ...]      rows
    {"sugar": [5], "fiber": [1], "protein": [2]}       columns

Columns also come and go as CSV and as Arrow streams: Content-Type says what came, Accept what
is wanted; without it the answer comes as the request did. Errors are RFC 9457 problem documents.
"""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

import orjson
from numpy.typing import NDArray

from models.numbers import whole
from models.registry import LAST_VERSION
from service.api.answers import STATUS as COMMON
from service.api.answers import (
    Headers,
    Reply,
    Request,
    dumps,
    labelled,
    require_plain,
    version_of,
)
from service.codecs import formats
from service.codecs.json_records import records
from service.codecs.json_rows import schema
from service.codecs.media_types import media_type, preferred
from service.errors import Fault, InvalidInput, NotAcceptable, ServiceError, UnsupportedMediaType
from service.serving.dataplane import DataPlane, Prediction
from service.serving.engines import Rows
from service.serving.loaded import Model

STATUS = {
    **COMMON,
    InvalidInput: HTTPStatus.UNPROCESSABLE_ENTITY,
    NotAcceptable: HTTPStatus.NOT_ACCEPTABLE,
}
# The page has its style and pictures in it: nothing else may load, and no script may run.
PAGE_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# Every page and what it is made of has these beside its policy.
PAGE_HEADERS = (("x-content-type-options", "nosniff"), ("referrer-policy", "no-referrer"))
TYPE = "application/json"
SPOKEN = (TYPE, formats.CSV, formats.ARROW)


Form = Callable[[Prediction], dict[str, Any]]


def predict(plane: DataPlane, request: Request) -> Reply:
    """Answer one POST /predict."""
    try:
        require_plain(request)
        given = given_type(request.content_type)
        wanted = _wanted(request.accept, given)
        source = plane.choose(**choice(request.query), key=request.canary_key)
        rows, form = read(given, request.body, source.inputs, plane.max_rows)
        return reply(plane.predict(source, rows), wanted, form)
    except ServiceError as error:
        return refuse(error)


def read(given: str, body: bytes, inputs: tuple[str, ...], max_rows: int) -> tuple[Rows, Form]:
    """The rows of a body, and the form in which JSON answers them.

    The three forms of JSON are told apart by their brackets: only one that is right gets through.
    """
    found = formats.find(given)
    if found:
        return found.decode(body, inputs, max_rows), as_columns
    expected = schema(inputs, max_rows)
    start = body.lstrip(b" \t\r\n")[:1]
    if start == b"[":
        return expected.rows(body), as_rows
    if b"[" in body:
        return expected.columns(body), as_columns
    return expected.row(body), as_row


def reply(answer: Prediction, wanted: str, form: Form) -> Reply:
    """The answer in the wanted format; what cannot say in its body who answered has headers."""
    source = answer.source
    found = formats.find(wanted)
    if not found:
        return _ok(form(answer), labelled(source))
    signed = (("X-Model", source.model), ("X-Model-Version", str(source.version)))
    return Reply(
        HTTPStatus.OK, found.encode(answer), found.content_type, (*signed, *labelled(source))
    )


def as_row(answer: Prediction) -> dict[str, Any]:
    """One row, as it came."""
    return {
        "calories": answer.calories[0],
        "lower": answer.lower[0],
        "upper": answer.upper[0],
        "in_range": bool(answer.in_range[0]),
        **_signed(answer),
    }


def as_rows(answer: Prediction) -> dict[str, Any]:
    """An array of rows."""
    return {"predictions": orjson.Fragment(records(_columns(answer))), **_signed(answer)}


def as_columns(answer: Prediction) -> dict[str, Any]:
    """An object of arrays."""
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
    return _ok({"models": [described(name, served) for name, served in plane.served().items()]})


def model(plane: DataPlane, name: str) -> Reply:
    """Answer GET /models/<name>."""
    try:
        return _ok(described(name, plane.model(name)))
    except ServiceError as error:
        return refuse(error)


def manifest(plane: DataPlane, name: str, version: str) -> Reply:
    """Answer GET /models/<name>/<version>: the manifest."""
    try:
        source = plane.choose(name, version_of(version))
    except ServiceError as error:
        return refuse(error)
    return Reply(HTTPStatus.OK, source.manifest.model_dump_json(indent=2).encode() + b"\n")


def report(plane: DataPlane, name: str, version: str) -> Reply:
    """Answer GET /models/<name>/<version>/report: the page about it."""
    try:
        page = plane.report(plane.choose(name, version_of(version)))
    except ServiceError as error:
        return refuse(error)
    guards = (("content-security-policy", PAGE_POLICY), *PAGE_HEADERS)
    return Reply(HTTPStatus.OK, page, "text/html; charset=utf-8", guards)


def rows(plane: DataPlane, name: str, version: str) -> Reply:
    """Answer GET /models/<name>/<version>/training: rows that it was trained on, as CSV."""
    try:
        found = plane.rows(plane.choose(name, version_of(version)))
    except ServiceError as error:
        return refuse(error)
    return Reply(HTTPStatus.OK, found, "text/csv; charset=utf-8")


def described(name: str, served: Model) -> dict[str, Any]:
    """A model's labels, their shares and its versions with their states, for JSON."""
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
    if not query:
        return {}
    pairs = parse_qsl(query, keep_blank_values=True)
    chosen: dict[str, Any] = {}
    faults = []
    for name, value in pairs:
        if name not in {"model", "version", "label"}:
            faults.append(Fault(f"?{name}", "model, version or label", "another name"))
        elif name in chosen:
            faults.append(Fault(f"?{name}", "one value", "several"))
        elif name == "version" and whole(value, LAST_VERSION) is None:
            faults.append(Fault("?version", "a positive whole number", value))
        elif not value:
            faults.append(Fault(f"?{name}", "a value", "nothing"))
        chosen[name] = value
    if "version" in chosen and "label" in chosen:
        faults.append(Fault("?version", "either a version or a label", "both"))
    if faults:
        raise InvalidInput(faults)
    if "version" in chosen:
        chosen["version"] = whole(chosen["version"], LAST_VERSION)
    return chosen


def given_type(content_type: str) -> str:
    """The media type of a body; raises UnsupportedMediaType for one that is not spoken."""
    given = media_type(content_type)
    if given == formats.ARROW and not formats.find(given):
        raise UnsupportedMediaType(formats.INSTALL)
    if given not in SPOKEN:
        raise UnsupportedMediaType(
            f"expected content type {', '.join(SPOKEN)}, received {content_type or 'none'!r}; "
            f"send for example the header 'content-type: {TYPE}'."
        )
    return given


def _wanted(accept: str, given: str) -> str:
    """The media type of the answer: that of the request where Accept likes others no better.

    JSON asked in JSON is never refused: much that sends it names some other type by habit.
    """
    if accept in {"", "*/*"}:
        return given
    others = [each for each in SPOKEN if each == TYPE or formats.find(each)]
    wanted = preferred(accept, [given, *others])
    if wanted is None and given == TYPE:
        return given
    if wanted is None:
        raise NotAcceptable(f"expected Accept to name {', '.join(others)} or */*, got {accept!r}.")
    return wanted


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
    return Reply(status, dumps(document), "application/problem+json")


def _ok(content: dict[str, Any], headers: Headers = ()) -> Reply:
    return Reply(HTTPStatus.OK, dumps(content), headers=headers)
