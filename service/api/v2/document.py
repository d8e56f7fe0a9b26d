"""The Open Inference Protocol, V2, with Triton's repository index."""

from collections.abc import Iterator, Mapping
from typing import Literal, NotRequired

from openapi_pydantic import DataType, Schema

from service.api.openapi.parts import (
    BYTES,
    CANARY_KEY,
    GZIP,
    JSON,
    NO_MODEL,
    NOT_JSON,
    SERVED,
    UNKNOWN,
    About,
    Case,
    Error,
    Object,
    Part,
    Section,
    header,
)
from service.api.v2.operations import VERSIONS
from service.api.v2.read import BODY, HEADER, INDEX, Parameters


class Server(Object):
    """What this server is."""

    name: str
    version: str
    extensions: list[str]


class Live(Object):
    """The process answers."""

    live: Literal[True]


class Ready(Live):
    """The default model answers."""

    ready: Literal[True]


class ModelReady(Object):
    """A model answers."""

    name: str
    ready: Literal[True]


class TensorMetadata(Object):
    """A tensor that a model takes or gives; -1 is any number of rows."""

    name: str
    datatype: str
    shape: list[int]


class ModelMetadata(Object):
    """What a model takes and gives."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class InferredTensor(Object):
    """One output: `data`, or behind the JSON as many bytes as `binary_data_size` says."""

    name: str
    datatype: str
    shape: list[int]
    parameters: NotRequired[Parameters]
    data: NotRequired[list[float]]


class Inferred(Object):
    """The outputs that were asked for, in that order."""

    model_name: str
    model_version: str
    id: NotRequired[str]
    outputs: list[InferredTensor]


class IndexedVersion(Object):
    """A version, its state, and why it is not ready."""

    name: str
    version: str
    state: Literal["LOADING", "READY", "UNLOADING", "UNAVAILABLE"]
    reason: str


LENGTH = header(
    HEADER,
    "the length of the JSON, where tensors follow it as bytes",
    Schema(type=DataType.INTEGER, minimum=0),
)


def parts(about: About) -> Mapping[str, Part]:
    """The parts of the protocol, by operation."""
    refused = Part(
        "Refused: the registry on disk decides, for all workers.",
        {},
        (SERVED, Case("no name", path={"model": "a/b"})),
    )
    index = (
        Case("what answers", {"ready": True}),
        NOT_JSON,
        Case("a compressed body", {}, headers=GZIP),
    )
    return {
        "v2_server": Part("What this server is.", {JSON: Server}, (SERVED,)),
        "v2_live": Part("The process answers.", {JSON: Live}, (SERVED,)),
        "v2_ready": Part("The default model answers.", {JSON: Ready}, (SERVED,)),
        **{
            f"v2_{name}{suffix}": part
            for suffix in VERSIONS.values()
            for name, part in _of_model(about)
        },
        "v2_index": Part(
            "Every version, its state and the reason.",
            {JSON: list[IndexedVersion]},
            index,
            {JSON: INDEX},
        ),
        "v2_load": refused,
        "v2_unload": refused,
    }


def _of_model(about: About) -> Iterator[tuple[str, Part]]:
    told = (SERVED, UNKNOWN)
    yield "metadata", Part("Its tensors.", {JSON: ModelMetadata}, told)
    yield "model_ready", Part("It answers.", {JSON: ModelReady}, told)
    yield (
        "infer",
        Part(
            "Infer: a tensor for each input, or `features` for all.",
            {JSON: Inferred, BYTES: bytes},
            _cases(about),
            {JSON: BODY, BYTES: bytes},
            (LENGTH, CANARY_KEY),
        ),
    )


SECTION = Section(
    "v2", 'The Open Inference Protocol; errors are {"error": sentence}.', Error, parts
)


def _cases(about: About) -> tuple[Case, ...]:
    row = list(about.row.values())
    features = _tensor("features", [1, len(row)], row)
    inputs = {"inputs": [_tensor(name, [1], [value]) for name, value in about.row.items()]}
    wrong = {"inputs": [_tensor("features", [1, len(row)], list(about.wrong.values()))]}
    asked = {"id": "1", "inputs": [features], "outputs": [{"name": about.source.outputs[0]}]}
    return (
        Case("a tensor for each input", inputs),
        Case("one tensor, one output", asked),
        NOT_JSON,
        Case("no number", wrong),
        Case("an unknown model", inputs, path=NO_MODEL),
        Case("a compressed body", inputs, headers=GZIP),
    )


def _tensor(name: str, shape: list[int], data: list[object] | list[float]) -> dict[str, object]:
    return {"name": name, "shape": shape, "datatype": "FP32", "data": data}
