"""TensorFlow Serving's REST API, and KServe V1's :explain."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from service.api.openapi.parts import (
    CANARY_KEY,
    GZIP,
    JSON,
    NO_MODEL,
    NOT_JSON,
    SERVED,
    UNKNOWN,
    About,
    Case,
    Content,
    Error,
    Object,
    Part,
    Section,
    object_of,
)
from service.api.tfserving.operations import SERVABLES
from service.api.tfserving.read import BODY


class Results(Object):
    """The output of each example."""

    results: list[float]


class StatusMessage(Object):
    """Why a version is as it is."""

    error_code: str
    error_message: str


class VersionStatus(Object):
    """The state of one version."""

    version: str
    state: Literal["LOADING", "AVAILABLE", "UNLOADING", "END"]
    status: StatusMessage


class ModelStatus(Object):
    """The state of the versions that were asked for."""

    model_version_status: list[VersionStatus]


class Spec(Object):
    """Which version was described."""

    name: str
    signature_name: str
    version: str


class Metadata(Object):
    """The signatures, as protobuf prints them in JSON."""

    model_spec: Spec
    metadata: dict[str, Any]


SUMMARIES = {
    "predict": "Predict: `instances` (rows) or `inputs` (columns).",
    "regress": "One number for each of `examples`, with a `context` or without.",
    "classify": "Refused, as TensorFlow Serving refuses it for a model without classes.",
    "explain": "The predictions of `instances`, and what each input adds.",
}


def _gives(about: About) -> dict[str, Content]:
    """What each verb answers, with the outputs of the version the document is about."""
    names, signature = about.source.outputs, about.source.manifest.signature
    row: Any = object_of("OutputRow", "What is answered to one row.", dict.fromkeys(names, float))
    column: Any = object_of("OutputColumns", "One item a row.", dict.fromkeys(names, list[float]))
    if signature or len(names) == 1:  # a single output has no name there
        row = list[float] if signature and len(signature.output.shape) == 2 else float
        column = list[row]
    rows = {"predictions": list[row]}
    one: Any = object_of("Contributions", "What each input adds to `base`.", about.contributions)
    told = {**rows, "explanations": list[one]}
    by_rows = object_of("Predictions", "The answer to `instances`.", rows)
    by_columns = object_of("Outputs", "The answer to `inputs`.", {"outputs": column})
    explained = object_of("Explanations", "The predictions, and what each input adds.", told)
    return {
        "predict": {JSON: by_rows | by_columns},
        "regress": {JSON: Results},
        "classify": {},
        "explain": {JSON: explained},
    }


UNKNOWN_LABEL = Case("an unknown label", path={"label": "nobody"})
MALFORMED = Case("a name that is none", path={"model": "a:b"})


def parts(about: About) -> Mapping[str, Part]:
    """The parts of the dialect: the same for each way to name a version, but for one example."""
    return {
        f"v1_{name}{suffix}": part
        for servable, suffix in SERVABLES.items()
        for name, part in _parts(about, UNKNOWN_LABEL if "label" in servable else MALFORMED)
    }


def _parts(about: About, unknown: Case) -> Iterator[tuple[str, Part]]:
    told, gives = (SERVED, UNKNOWN, unknown), _gives(about)
    yield "status", Part("Versions and states.", {JSON: ModelStatus}, told)
    yield "metadata", Part("The signatures.", {JSON: Metadata}, told)
    for verb, summary in SUMMARIES.items():
        cases = _cases(about, verb)
        yield verb, Part(summary, gives[verb], cases, {JSON: BODY}, (CANARY_KEY,))


SECTION = Section(
    "v1",
    "TensorFlow Serving's REST API and KServe's :explain; errors are {\"error\": sentence}.",
    Error,
    parts,
)


def _cases(about: About, verb: str) -> tuple[Case, ...]:
    """Requests that are right, then such as are refused."""
    key = "examples" if verb in {"regress", "classify"} else "instances"
    rows = {key: [about.row]}
    columns = Case("columns", {"inputs": about.columns})
    return (
        Case("rows", rows),
        *((columns,) if verb == "predict" else ()),
        NOT_JSON,
        Case("no number", {key: [about.wrong]}),
        Case("an unknown model", rows, path=NO_MODEL),
        Case("a compressed body", rows, headers=GZIP),
    )
