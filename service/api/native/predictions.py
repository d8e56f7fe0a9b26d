"""Predictions and explanations: JSON in the form of the request, CSV, or an Arrow stream."""

from collections.abc import Callable, Mapping
from functools import partial
from operator import itemgetter
from typing import Any

import numpy as np
import orjson
from pydantic import ValidationError

from service.api.answers import JSON, WRITTEN, choose, labelled, ok
from service.api.native import read
from service.codecs import formats
from service.codecs.json_parts import PART
from service.codecs.json_records import in_blocks, records
from service.codecs.json_rows import Form, schema
from service.exchange import Exchange, Response
from service.serving import dataplane
from service.serving.dataplane import DataPlane, Explanation, Prediction
from service.serving.loaded import Loaded

FIRST = itemgetter(0)


def predict(plane: DataPlane, exchange: Exchange) -> Response:
    """Predict for a row, rows or columns."""
    request = exchange.request
    headers, query, body = request.headers, request.query, request.body
    given = headers.get("content-type") or ""
    if given != JSON or headers.get("content-encoding"):
        given = read.given_type(request)
    wanted = headers.get("accept")
    wanted = read.wanted_type(wanted, given) if wanted and wanted != "*/*" else given
    if query:
        source = choose(plane, exchange, **read.choice(query))
    else:
        key = headers.get("x-canary-key") or ""
        source = exchange.source = plane.choose(None, None, None, key)
    # What most ask costs no function of ours to read; what else it may be, `read` knows.
    of = source.accepted.schemas.get(plane.max_rows) or schema(source.accepted, plane.max_rows)
    try:
        plain = given == JSON and b"[" not in body and len(body) <= PART
        row = of.cells(of.row_of(body)) if plain else None
    except ValidationError:
        row = None
    if row is None:
        rows, form = read.rows(given, body, source.accepted, plane.max_rows)
    else:
        rows, form = np.array(row, np.float32, ndmin=2), "row"
    found = exchange.prediction = dataplane.predict(source, rows)
    if wanted == JSON:
        said = orjson.dumps(PREDICTED[form](found), option=WRITTEN)
        return Response(200, said, JSON, labelled(source) if source.label else ())
    return _in_format(wanted, found)


def explain(plane: DataPlane, exchange: Exchange) -> Response:
    """Predict, and tell what each input adds; as JSON whatever came."""
    request = exchange.request
    given = read.given_type(request)
    source = choose(plane, exchange, **read.choice(request.query))
    rows, form = read.rows(given, request.body, source.accepted, plane.max_rows)
    found = plane.explain(source, rows)
    exchange.prediction = found.prediction
    return ok(EXPLAINED[form](found), labelled(source))


def _in_format(wanted: str, found: Prediction) -> Response:
    """A prediction in a type that cannot say who answered, which has headers."""
    source = found.source
    format_ = formats.find(wanted)
    assert format_  # noqa: S101  wanted_type offered it
    headers = (
        ("X-Model", source.model),
        ("X-Model-Version", str(source.version)),
        *labelled(source),
    )
    return Response(200, format_.encode(found), format_.content_type, headers)


def _row(found: Prediction) -> dict[str, Any]:
    source = found.source
    said: dict[str, Any] = dict(zip(source.outputs, map(FIRST, found.columns), strict=True))
    if found.in_range is not None:
        said["in_range"] = bool(found.in_range)
    said["model"] = source.model
    said["version"] = source.version
    return said


def _rows(found: Prediction) -> dict[str, Any]:
    return {"predictions": orjson.Fragment(records(found.answers())), **_signed(found.source)}


def _columns(found: Prediction) -> dict[str, Any]:
    return {**found.answers(), **_signed(found.source)}


def _explained_row(found: Explanation) -> dict[str, Any]:
    return {**_row(found.prediction), **found.of_row(0)}


def _explained_rows(found: Explanation) -> dict[str, Any]:
    explanations = in_blocks(len(found.contributions), partial(_explained_block, found))
    return {
        "explanations": orjson.Fragment(explanations),
        **_signed(found.prediction.source),
    }


def _explained_block(found: Explanation, block: slice) -> bytes:
    places = range(*block.indices(len(found.contributions)))
    answers = {name: column[block] for name, column in found.prediction.answers().items()}
    return orjson.dumps(
        [
            {**dict(zip(answers, row, strict=True)), **found.of_row(place)}
            for place, *row in zip(places, *answers.values(), strict=True)
        ],
        option=orjson.OPT_SERIALIZE_NUMPY,
    )


def _explained_columns(found: Explanation) -> dict[str, Any]:
    return {
        **_columns(found.prediction),
        "base": found.base,
        "contributions": dict(zip(found.inputs, found.contributions.T.copy(), strict=True)),
        **found.more,
    }


def _signed(source: Loaded) -> dict[str, str | int]:
    return {"model": source.model, "version": source.version}


PREDICTED: Mapping[Form, Callable[[Prediction], dict[str, Any]]] = {
    "row": _row,
    "rows": _rows,
    "columns": _columns,
}
EXPLAINED: Mapping[Form, Callable[[Explanation], dict[str, Any]]] = {
    "row": _explained_row,
    "rows": _explained_rows,
    "columns": _explained_columns,
}
