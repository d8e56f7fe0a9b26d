"""Answers of the native dialect: JSON in the form of the request, CSV, or an Arrow stream."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import orjson

from service.api.answers import JSON, WRITTEN, labelled, ok
from service.api.native.read import SPOKEN
from service.codecs import formats
from service.codecs.json_records import in_blocks, records
from service.codecs.json_rows import Form
from service.codecs.media_types import preferred
from service.errors import NotAcceptable
from service.exchange import Response
from service.serving.dataplane import Explanation, Prediction
from service.serving.loaded import Loaded, Model


def wanted_type(accept: str, given: str) -> str:
    """The media type of the answer: that of the request where Accept likes others no better.

    JSON asked in JSON is never refused: much that sends it names some other type by habit.
    """
    others = [each for each in SPOKEN if each == JSON or formats.find(each)]
    wanted = preferred(accept, [given, *others])
    if wanted is None and given == JSON:
        return given
    if wanted is None:
        raise NotAcceptable(f"expected Accept to name {', '.join(others)} or */*, got {accept!r}.")
    return wanted


def predicted(found: Prediction, wanted: str, form: Form) -> Response:
    """A prediction in the wanted type; what cannot say in its body who answered has headers."""
    source = found.source
    if wanted == JSON:
        body = orjson.dumps(PREDICTED[form](found), option=WRITTEN)
        return Response(200, body, JSON, labelled(source) if source.label else ())
    format_ = formats.find(wanted)
    assert format_  # noqa: S101  wanted_type offered it
    headers = (
        ("X-Model", source.model),
        ("X-Model-Version", str(source.version)),
        *labelled(source),
    )
    return Response(200, format_.encode(found), format_.content_type, headers)


def explained(found: Explanation, form: Form) -> Response:
    """An explanation, as JSON whatever came."""
    return ok(EXPLAINED[form](found), labelled(found.prediction.source))


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


def _row(found: Prediction) -> dict[str, Any]:
    return {
        "calories": found.calories[0],
        "lower": found.lower[0],
        "upper": found.upper[0],
        "in_range": bool(found.in_range[0]),
        "model": found.source.model,
        "version": found.source.version,
    }


def _rows(found: Prediction) -> dict[str, Any]:
    return {"predictions": orjson.Fragment(records(_answers(found))), **_signed(found.source)}


def _columns(found: Prediction) -> dict[str, Any]:
    return {**_answers(found), **_signed(found.source)}


def _explained_row(found: Explanation) -> dict[str, Any]:
    return {
        **_row(found.prediction),
        "base": found.base,
        "contributions": dict(zip(found.inputs, found.contributions[0], strict=True)),
    }


def _explained_rows(found: Explanation) -> dict[str, Any]:
    explanations = in_blocks(len(found.contributions), partial(_explained_block, found))
    return {
        "explanations": orjson.Fragment(explanations),
        **_signed(found.prediction.source),
    }


def _explained_block(found: Explanation, block: slice) -> bytes:
    answers = {name: column[block] for name, column in _answers(found.prediction).items()}
    return orjson.dumps(
        [
            {
                **dict(zip(answers, row, strict=True)),
                "base": found.base,
                "contributions": dict(zip(found.inputs, contributions, strict=True)),
            }
            for *row, contributions in zip(
                *answers.values(), found.contributions[block], strict=True
            )
        ],
        option=orjson.OPT_SERIALIZE_NUMPY,
    )


def _explained_columns(found: Explanation) -> dict[str, Any]:
    return {
        **_columns(found.prediction),
        "base": found.base,
        "contributions": dict(zip(found.inputs, found.contributions.T.copy(), strict=True)),
    }


def _answers(found: Prediction) -> dict[str, Any]:
    return {
        "calories": found.calories,
        "lower": found.lower,
        "upper": found.upper,
        "in_range": found.in_range,
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
