"""TensorFlow Serving's REST API, and KServe V1's :explain."""

from typing import Any, Literal

from pydantic import ConfigDict
from typing_extensions import TypedDict

from service.api.openapi.parts import (
    CANARY_KEY,
    GZIP,
    JSON,
    NO_MODEL,
    NOT_JSON,
    SERVED,
    UNKNOWN,
    About,
    Content,
    Exchange,
    Operation,
)
from service.api.tfserving.operations import BODY

WHOLE = ConfigDict(extra="forbid")


class Error(TypedDict):
    """A refusal, in the dialects that are not native."""

    __pydantic_config__ = WHOLE  # type: ignore[misc]
    error: str


class OutputRow(TypedDict):
    """Calories of one row with the interval, kcal a serving."""

    __pydantic_config__ = WHOLE  # type: ignore[misc]
    calories: float
    lower: float
    upper: float


class Predictions(TypedDict):
    """The answer to `instances`."""

    __pydantic_config__ = WHOLE  # type: ignore[misc]
    predictions: list[OutputRow]


class OutputColumns(TypedDict):
    """One item a row."""

    __pydantic_config__ = WHOLE  # type: ignore[misc]
    calories: list[float]
    lower: list[float]
    upper: list[float]


class Outputs(TypedDict):
    """The answer to `inputs`."""

    __pydantic_config__ = WHOLE  # type: ignore[misc]
    outputs: OutputColumns


class Results(TypedDict):
    """The calories of each example."""

    __pydantic_config__ = WHOLE  # type: ignore[misc]
    results: list[float]


class Contributions(TypedDict):
    """What each input adds to `base`."""

    __pydantic_config__ = WHOLE  # type: ignore[misc]
    base: float
    contributions: dict[str, float]


class Explanations(Predictions):
    """The predictions, and what each input adds."""

    explanations: list[Contributions]


class StatusMessage(TypedDict):
    """Why a version is as it is."""

    __pydantic_config__ = WHOLE  # type: ignore[misc]
    error_code: str
    error_message: str


class VersionStatus(TypedDict):
    """The state of one version."""

    __pydantic_config__ = WHOLE  # type: ignore[misc]
    version: str
    state: Literal["LOADING", "AVAILABLE", "UNLOADING", "END"]
    status: StatusMessage


class ModelStatus(TypedDict):
    """The state of the versions that were asked for."""

    __pydantic_config__ = WHOLE  # type: ignore[misc]
    model_version_status: list[VersionStatus]


class Spec(TypedDict):
    """Which version was described."""

    __pydantic_config__ = WHOLE  # type: ignore[misc]
    name: str
    signature_name: str
    version: str


class Metadata(TypedDict):
    """The signatures, as protobuf prints them in JSON."""

    __pydantic_config__ = WHOLE  # type: ignore[misc]
    model_spec: Spec
    metadata: dict[str, Any]


SERVABLES = {"": "", "/versions/{version}": "_of_version", "/labels/{label}": "_of_label"}
SUMMARIES = {
    "predict": "Predict: `instances` (rows) or `inputs` (columns).",
    "regress": "The calories of `examples`, with a `context` or without.",
    "classify": "Refused, as TensorFlow Serving refuses it for a model without classes.",
    "explain": "The predictions of `instances`, and what each input adds.",
}
GIVES: dict[str, Content] = {
    "predict": {JSON: Predictions | Outputs},
    "regress": {JSON: Results},
    "classify": {},
    "explain": {JSON: Explanations},
}
MALFORMED = Exchange("a name that is none", path={"model": "a:b"})


def operations(about: About) -> tuple[Operation, ...]:
    """Status, metadata and the four verbs, by model, version and label."""
    return tuple(
        operation
        for servable, suffix in SERVABLES.items()
        for operation in _operations(about, f"/v1/models/{{model}}{servable}", suffix)
    )


def _operations(about: About, path: str, suffix: str) -> tuple[Operation, ...]:
    unknown = Exchange("an unknown label", path={"label": "nobody"})
    told = (SERVED, UNKNOWN, *((unknown,) if "{label}" in path else (MALFORMED,)))
    return (
        Operation(
            "GET", path, f"v1_status{suffix}", "Versions and states.", {JSON: ModelStatus}, told
        ),
        Operation(
            "GET",
            f"{path}/metadata",
            f"v1_metadata{suffix}",
            "The signatures.",
            {JSON: Metadata},
            told,
        ),
        *(
            Operation(
                "POST",
                f"{path}:{verb}",
                f"v1_{verb}{suffix}",
                summary,
                GIVES[verb],
                _exchanges(about, verb),
                {JSON: BODY},
                (CANARY_KEY,),
            )
            for verb, summary in SUMMARIES.items()
        ),
    )


def _exchanges(about: About, verb: str) -> tuple[Exchange, ...]:
    """Requests that are right, then such as are refused."""
    key = "examples" if verb in {"regress", "classify"} else "instances"
    rows = {key: [about.row]}
    columns = Exchange("columns", {"inputs": about.columns})
    return (
        Exchange("rows", rows),
        *((columns,) if verb == "predict" else ()),
        NOT_JSON,
        Exchange("no number", {key: [about.wrong]}),
        Exchange("an unknown model", rows, path=NO_MODEL),
        Exchange("a compressed body", rows, headers=GZIP),
    )
