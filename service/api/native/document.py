"""The native dialect: predictions, explanations, and what is served."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, NotRequired, Union

from openapi_pydantic import DataType, Schema

from models.manifest import LARGEST, Manifest
from service.api.openapi.parts import (
    ARROW,
    CANARY_KEY,
    CSV,
    HTML,
    JSON,
    NOT_JSON,
    NUMBER,
    SERVED,
    UNKNOWN,
    WORD,
    About,
    Case,
    Object,
    Part,
    Section,
    header,
    in_query,
    object_of,
)


class Fault(Object):
    """One wrong field."""

    field: str
    expected: str
    received: str


class Problem(Object):
    """A problem document (RFC 9457); `errors` lists the wrong fields, where there are any."""

    type: Literal["about:blank"]
    title: str
    status: int
    detail: str
    errors: NotRequired[list[Fault]]


class ServedVersion(Object):
    """A version, its state, and why it failed."""

    version: int
    state: Literal["loading", "loaded", "unloading", "failed"]
    engine: NotRequired[str]
    reason: NotRequired[str]


class ServedModel(Object):
    """A model: which version each label names, the percent a label takes, and the versions."""

    name: str
    labels: dict[str, int]
    shares: NotRequired[dict[str, float]]
    versions: list[ServedVersion]


class ServedModels(Object):
    """All models, and the one that answers a request which names none."""

    models: list[ServedModel]
    default: str


class Shapes(NamedTuple):
    """The answers to one row, to rows and to columns; that to one row has no list in it."""

    row: Any
    rows: Any
    columns: Any


def _shapes(about: About, name: str, listed: str, **more: Any) -> Shapes:
    """Answers of the version the document is about; `more` are fields of each, as one of a row."""
    source = about.source
    one: dict[str, Any] = dict.fromkeys(source.outputs, float)
    many: dict[str, Any] = dict.fromkeys(source.outputs, list[float])
    if source.ranges:
        one["in_range"], many["in_range"] = bool, list[bool]
    signed = {"model": str, "version": int}
    each: Any = object_of(name, "What is said of one row of several.", {**one, **more})
    return Shapes(
        object_of(f"{name}Row", "The answer to one row.", {**one, **signed, **more}),
        object_of(f"{name}Rows", "Answers in the rows' order.", {listed: list[each], **signed}),
        object_of(f"{name}Columns", "One item a row.", {**many, **signed, **_columns(more)}),
    )


def _columns(more: Mapping[str, Any]) -> dict[str, Any]:
    lists = {"contributions": dict[str, list[float]], "standard_error": list[float]}
    return {name: lists.get(name, kind) for name, kind in more.items()}


QUERY = (
    in_query("model", "the model; without it the default answers", WORD),
    in_query("version", "a version of it, instead of a label", NUMBER),
    in_query("label", "a label of it; without one, stable", WORD),
    CANARY_KEY,
)
ACCEPT = header(
    "Accept",
    "the format of the answer; without it, that of the request",
    Schema(type=DataType.STRING, enum=[JSON, CSV, ARROW, "*/*"]),
)


def parts(about: About) -> Mapping[str, Part]:
    """The parts of the native dialect, by operation."""
    told = (SERVED, UNKNOWN)
    predicted = _shapes(about, "Predicted", "predictions")
    explained = _shapes(about, "Explained", "explanations", **about.contributions)
    return {
        "predict": Part(
            f"Predict {about.source.outputs[0]} for a row, rows or columns.",
            {JSON: Union[*predicted], CSV: str, ARROW: bytes},
            (*_forms(about), *_refused(about), _asked_for_a_picture(about)),
            {JSON: about.forms, CSV: str, ARROW: bytes},
            (*QUERY, ACCEPT),
        ),
        "explain": Part(
            "Predict, and tell what each input adds to `base`: Shapley values.",
            {JSON: Union[*explained]},
            (*_forms(about), *_refused(about)),
            {JSON: about.forms, CSV: str, ARROW: bytes},
            QUERY,
        ),
        "models": Part("List the models.", {JSON: ServedModels}, (SERVED,)),
        "model": Part("Tell one model.", {JSON: ServedModel}, told),
        "manifest": Part("A version's manifest.", {JSON: Manifest}, told),
        "report": Part("Its report, a page.", {HTML: str}, told),
        "training": Part("Rows it was trained on, with what was measured.", {CSV: str}, told),
    }


SECTION = Section(
    "native",
    "Predictions, explanations and what is served; errors are problem documents.",
    Problem,
    parts,
)


def _forms(about: About) -> tuple[Case, ...]:
    return (
        Case("a row", about.row),
        Case("rows", [about.row, dict.fromkeys(about.row, 0.0)]),
        Case("columns", about.columns),
        _csv(about),
    )


def _csv(about: About) -> Case:
    lines = [",".join(about.row), ",".join(f"{value:g}" for value in about.row.values())]
    return Case("CSV", "\n".join(lines) + "\n", CSV)


def _refused(about: About) -> tuple[Case, ...]:
    first, accepted = about.source.inputs[0], about.source.accepted
    missing = {name: value for name, value in about.row.items() if name != first}
    bound = accepted.by_name[first][1]
    too_much = bound + 1 if bound < LARGEST else 1e39
    return (
        NOT_JSON,
        Case("an unknown model", about.row, query="model=bread"),
        Case("an unknown version", about.row, query="version=999"),
        Case("plain text", str(about.row), "text/plain"),
        Case("no number", about.wrong),
        Case("too much", {**about.row, first: too_much}),
        Case("a missing input", missing),
        Case("an unknown field", {**about.row, "another": 1}),
        Case("a mistyped parameter", about.row, query="modle=deep"),
    )


def _asked_for_a_picture(about: About) -> Case:
    csv = _csv(about)
    return Case("a picture", csv.body, csv.media_type, headers={"accept": "image/png"})
