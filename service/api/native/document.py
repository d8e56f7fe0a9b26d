"""The native dialect: predictions, explanations, and what is served."""

from collections.abc import Mapping
from typing import Literal, NotRequired

from openapi_pydantic import DataType, Schema

from models.manifest import Manifest
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


class Predicted(Object):
    """Calories of one row with the interval, kcal a serving; in_range: as in training."""

    calories: float
    lower: float
    upper: float
    in_range: bool


class PredictedRow(Predicted):
    """The answer to one row."""

    model: str
    version: int


class PredictedRows(Object):
    """The answer to an array of rows, in their order."""

    predictions: list[Predicted]
    model: str
    version: int


class PredictedColumns(Object):
    """The answer to columns, one item a row."""

    calories: list[float]
    lower: list[float]
    upper: list[float]
    in_range: list[bool]
    model: str
    version: int


class ExplainedRow(PredictedRow):
    """A prediction, and what each input adds to `base`, the prediction for the training mean."""

    base: float
    contributions: dict[str, float]


class Explained(Predicted):
    """One explanation of several."""

    base: float
    contributions: dict[str, float]


class ExplainedRows(Object):
    """The explanations of an array of rows."""

    explanations: list[Explained]
    model: str
    version: int


class ExplainedColumns(PredictedColumns):
    """The explanations of columns."""

    base: float
    contributions: dict[str, list[float]]


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
    return {
        "predict": Part(
            "Predict calories for a row, rows or columns, in grams a serving.",
            {JSON: PredictedRow | PredictedRows | PredictedColumns, CSV: str, ARROW: bytes},
            (*_forms(about), *_refused(about), _asked_for_a_picture(about)),
            {JSON: about.forms, CSV: str, ARROW: bytes},
            (*QUERY, ACCEPT),
        ),
        "explain": Part(
            "Predict, and tell what each input adds: exact Shapley values.",
            {JSON: ExplainedRow | ExplainedRows | ExplainedColumns},
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
    first = about.source.inputs[0]
    missing = {name: value for name, value in about.row.items() if name != first}
    return (
        NOT_JSON,
        Case("an unknown model", about.row, query="model=bread"),
        Case("an unknown version", about.row, query="version=999"),
        Case("plain text", str(about.row), "text/plain"),
        Case("no number", about.wrong),
        Case("too much", {**about.row, first: 1001}),
        Case("a missing input", missing),
        Case("an unknown field", {**about.row, "fat": 1}),
        Case("a mistyped parameter", about.row, query="modle=deep"),
    )


def _asked_for_a_picture(about: About) -> Case:
    csv = _csv(about)
    return Case("a picture", csv.body, csv.media_type, headers={"accept": "image/png"})
