"""The Open Inference Protocol, V2, with Triton's repository index."""

from typing import Literal, NotRequired

from openapi_pydantic import DataType, Schema
from pydantic import ConfigDict
from typing_extensions import TypedDict

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
    Exchange,
    Operation,
    header,
)
from service.api.v2.operations import BODY, HEADER, INDEX, Parameters

WHOLE = ConfigDict(extra="forbid")


class Server(TypedDict):
    """What this server is."""

    __pydantic_config__ = WHOLE  # type: ignore[misc]
    name: str
    version: str
    extensions: list[str]


class Live(TypedDict):
    """The process answers."""

    __pydantic_config__ = WHOLE  # type: ignore[misc]
    live: Literal[True]


class Ready(Live):
    """The default model answers."""

    ready: Literal[True]


class ModelReady(TypedDict):
    """A model answers."""

    __pydantic_config__ = WHOLE  # type: ignore[misc]
    name: str
    ready: Literal[True]


class TensorMetadata(TypedDict):
    """A tensor that a model takes or gives; -1 is any number of rows."""

    __pydantic_config__ = WHOLE  # type: ignore[misc]
    name: str
    datatype: str
    shape: list[int]


class ModelMetadata(TypedDict):
    """What a model takes and gives."""

    __pydantic_config__ = WHOLE  # type: ignore[misc]
    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class InferredTensor(TypedDict):
    """One output: `data`, or behind the JSON as many bytes as `binary_data_size` says."""

    __pydantic_config__ = WHOLE  # type: ignore[misc]
    name: str
    datatype: str
    shape: list[int]
    parameters: NotRequired[Parameters]
    data: NotRequired[list[float]]


class Inferred(TypedDict):
    """The outputs that were asked for, in that order."""

    __pydantic_config__ = WHOLE  # type: ignore[misc]
    model_name: str
    model_version: str
    id: NotRequired[str]
    outputs: list[InferredTensor]


class IndexedVersion(TypedDict):
    """A version, its state, and why it is not ready."""

    __pydantic_config__ = WHOLE  # type: ignore[misc]
    name: str
    version: str
    state: Literal["LOADING", "READY", "UNLOADING", "UNAVAILABLE"]
    reason: str


VERSIONS = {"": "", "/versions/{version}": "_of_version"}
LENGTH = header(
    HEADER,
    "the length of the JSON, where tensors follow it as bytes",
    Schema(type=DataType.INTEGER, minimum=0),
)


def operations(about: About) -> tuple[Operation, ...]:
    """Health, metadata, inference and the repository."""
    return (
        Operation("GET", "/v2", "v2_server", "What this server is.", {JSON: Server}, (SERVED,)),
        Operation(
            "GET", "/v2/health/live", "v2_live", "The process answers.", {JSON: Live}, (SERVED,)
        ),
        Operation(
            "GET",
            "/v2/health/ready",
            "v2_ready",
            "The default model answers.",
            {JSON: Ready},
            (SERVED,),
        ),
        *(
            operation
            for version, suffix in VERSIONS.items()
            for operation in _of_model(about, f"/v2/models/{{model}}{version}", suffix)
        ),
        Operation(
            "POST",
            "/v2/repository/index",
            "v2_index",
            "Every version, its state and the reason.",
            {JSON: list[IndexedVersion]},
            (
                Exchange("what answers", {"ready": True}),
                NOT_JSON,
                Exchange("a compressed body", {}, headers=GZIP),
            ),
            {JSON: INDEX},
        ),
        *(
            Operation(
                "POST",
                f"/v2/repository/models/{{model}}/{verb}",
                f"v2_{verb}",
                "Refused: the registry on disk decides, for all workers.",
                {},
                (SERVED, Exchange("no name", path={"model": "a/b"})),
            )
            for verb in ("load", "unload")
        ),
    )


def _of_model(about: About, path: str, suffix: str) -> tuple[Operation, ...]:
    told = (SERVED, UNKNOWN)
    return (
        Operation("GET", path, f"v2_metadata{suffix}", "Its tensors.", {JSON: ModelMetadata}, told),
        Operation(
            "GET",
            f"{path}/ready",
            f"v2_model_ready{suffix}",
            "It answers.",
            {JSON: ModelReady},
            told,
        ),
        Operation(
            "POST",
            f"{path}/infer",
            f"v2_infer{suffix}",
            "Infer: a tensor for each input, or `features` for all.",
            {JSON: Inferred, BYTES: bytes},
            _exchanges(about),
            {JSON: BODY, BYTES: bytes},
            (LENGTH, CANARY_KEY),
        ),
    )


def _exchanges(about: About) -> tuple[Exchange, ...]:
    row = list(about.row.values())
    features = _tensor("features", [1, len(row)], row)
    inputs = {"inputs": [_tensor(name, [1], [value]) for name, value in about.row.items()]}
    wrong = {"inputs": [_tensor("features", [1, len(row)], list(about.wrong.values()))]}
    asked = {"id": "1", "inputs": [features], "outputs": [{"name": "calories"}]}
    return (
        Exchange("a tensor for each input", inputs),
        Exchange("one tensor, one output", asked),
        NOT_JSON,
        Exchange("no number", wrong),
        Exchange("an unknown model", inputs, path=NO_MODEL),
        Exchange("a compressed body", inputs, headers=GZIP),
    )


def _tensor(name: str, shape: list[int], data: list[object] | list[float]) -> dict[str, object]:
    return {"name": name, "shape": shape, "datatype": "FP32", "data": data}
