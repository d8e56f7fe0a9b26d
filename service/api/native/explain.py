"""The native dialect's POST /explain: /predict's three forms, with what each input adds."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from service.api.answers import Reply, Request, dumps, labelled, require_plain
from service.api.native import operations as native
from service.errors import ServiceError
from service.serving.dataplane import DataPlane, Explanation


def explain(plane: DataPlane, request: Request) -> Reply:
    """Answer one POST /explain."""
    try:
        require_plain(request)
        given = native.given_type(request.content_type)
        source = plane.choose(**native.choice(request.query), key=request.canary_key)
        rows, form = native.read(given, request.body, source.inputs, plane.max_rows)
        found = plane.explain(source, rows)
    except ServiceError as error:
        return native.refuse(error)
    return Reply(HTTPStatus.OK, dumps(EXPLAINED[form](found)), headers=labelled(source))


def _row(found: Explanation) -> dict[str, Any]:
    contributions = dict(zip(_names(found), found.contributions[0], strict=True))
    return {
        **native.as_row(found.prediction),
        "base": found.base,
        "contributions": contributions,
    }


def _rows(found: Explanation) -> dict[str, Any]:
    answer = found.prediction
    columns = zip(
        answer.calories,
        answer.lower,
        answer.upper,
        answer.in_range.tolist(),
        found.contributions,
        strict=True,
    )
    explanations = [
        {
            "calories": calories,
            "lower": lower,
            "upper": upper,
            "in_range": in_range,
            "base": found.base,
            "contributions": dict(zip(_names(found), contributions, strict=True)),
        }
        for calories, lower, upper, in_range, contributions in columns
    ]
    return {
        "explanations": explanations,
        "model": answer.source.model,
        "version": answer.source.version,
    }


def _columns(found: Explanation) -> dict[str, Any]:
    contributions = dict(zip(_names(found), found.contributions.T.copy(), strict=True))
    return {
        **native.as_columns(found.prediction),
        "base": found.base,
        "contributions": contributions,
    }


def _names(found: Explanation) -> tuple[str, ...]:
    return found.prediction.source.inputs


EXPLAINED: dict[native.Form, Callable[[Explanation], dict[str, Any]]] = {
    native.as_row: _row,
    native.as_rows: _rows,
    native.as_columns: _columns,
}
