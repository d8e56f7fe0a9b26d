"""The Open Inference Protocol, V2 (kserve/open-inference-protocol, inference_rest.md).

With two of Triton's extensions: binary_tensor_data, in which tensors follow the JSON as raw
little-endian bytes, and of model_repository the index. Errors are {"error": sentence}.
"""

import math
from collections.abc import Sequence
from http import HTTPStatus
from itertools import chain
from typing import Annotated, Any, NotRequired

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, ConfigDict, FailFast, Field, TypeAdapter
from typing_extensions import TypedDict

from models.numbers import whole
from service import __version__
from service.api.answers import (
    STATUS,
    Reply,
    Request,
    dumps,
    labelled,
    require_plain,
    version_of,
)
from service.codecs.json_rows import shown
from service.codecs.tensors import Column, envelope, rows
from service.errors import Fault, InvalidInput, MalformedBody, ServiceError
from service.serving.dataplane import DataPlane, Prediction
from service.serving.engines import OUTPUTS
from service.serving.loaded import Loaded, State

HEADER = "Inference-Header-Content-Length"
FEATURES = "features"

DATATYPES: dict[str, np.dtype[Any]] = {
    "UINT8": np.dtype("<u1"),
    "UINT16": np.dtype("<u2"),
    "UINT32": np.dtype("<u4"),
    "UINT64": np.dtype("<u8"),
    "INT8": np.dtype("<i1"),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "FP16": np.dtype("<f2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
}
STATES = {
    State.LOADING: "LOADING",
    State.LOADED: "READY",
    State.UNLOADING: "UNLOADING",
    State.FAILED: "UNAVAILABLE",
}
# Of Triton's parameters those that would change the answer, and are not spoken here.
UNSPOKEN = {"classification", "shared_memory_region"}

PARAMETERS = 100  # of one tensor or request; three have a meaning here


def _few(parameters: Any) -> Any:
    if isinstance(parameters, dict) and len(parameters) > PARAMETERS:
        raise ValueError(f"at most {PARAMETERS} parameters")
    return parameters


Parameters = Annotated[dict[str, str | bool | int | float], BeforeValidator(_few)]
_STRICT = ConfigDict(strict=True)


class InferInput(TypedDict):
    """One tensor of a request; `data` or, behind the JSON, `binary_data_size` bytes."""

    __pydantic_config__ = _STRICT  # type: ignore[misc]
    name: str
    shape: Annotated[list[int], FailFast()]
    datatype: str
    parameters: NotRequired[Parameters]
    data: NotRequired[list[Any]]


class InferOutput(TypedDict):
    """An output that is asked for."""

    __pydantic_config__ = _STRICT  # type: ignore[misc]
    name: str
    parameters: NotRequired[Parameters]


class InferRequest(TypedDict):
    """An inference request."""

    __pydantic_config__ = _STRICT  # type: ignore[misc]
    id: NotRequired[str]
    parameters: NotRequired[Parameters]
    inputs: Annotated[list[InferInput], Field(min_length=1), FailFast()]
    outputs: NotRequired[Annotated[list[InferOutput], FailFast()]]


class IndexRequest(TypedDict):
    """A request for the repository's index; `ready` leaves out what does not answer."""

    __pydantic_config__ = _STRICT  # type: ignore[misc]
    ready: NotRequired[bool]


BODY = TypeAdapter[Any](InferRequest)
INDEX = TypeAdapter[Any](IndexRequest)


def infer(plane: DataPlane, request: Request, model: str, version: str | None = None) -> Reply:
    """Answer POST /v2/models/{m}[/versions/{v}]/infer."""
    try:
        body, raw = _read(request)
        source = _choose(plane, model, version, request.canary_key)
        columns = _columns(body["inputs"], raw, source.inputs)
        return _answer(plane.predict(source, rows(columns, plane.max_rows)), body)
    except ServiceError as error:
        return refuse(error)


def server(_: DataPlane) -> Reply:
    """Answer GET /v2: the server metadata."""
    extensions = ["binary_tensor_data", "model_repository"]
    return _ok({"name": "calories", "version": __version__, "extensions": extensions})


def live(_: DataPlane) -> Reply:
    """Answer GET /v2/health/live."""
    return _ok({"live": True})


def ready(plane: DataPlane) -> Reply:
    """Answer GET /v2/health/ready: 503 until the default model answers."""
    reason = plane.ready()
    if reason:
        return problem(HTTPStatus.SERVICE_UNAVAILABLE, reason)
    return _ok({"live": True, "ready": True})


def model_ready(plane: DataPlane, model: str, version: str | None = None) -> Reply:
    """Answer GET /v2/models/{m}[/versions/{v}]/ready."""
    try:
        _choose(plane, model, version)
    except ServiceError as error:
        return refuse(error)
    return _ok({"name": model, "ready": True})


def metadata(plane: DataPlane, model: str, version: str | None = None) -> Reply:
    """Answer GET /v2/models/{m}[/versions/{v}]: the tensors that it takes and gives."""
    try:
        source = _choose(plane, model, version)
    except ServiceError as error:
        return refuse(error)
    return _ok(
        {
            "name": source.model,
            "versions": [str(each) for each in sorted(plane.served()[model].loaded)],
            "platform": "tensorflow_savedmodel",
            "inputs": [_described(name) for name in source.inputs],
            "outputs": [_described(name) for name in OUTPUTS],
        }
    )


def index(plane: DataPlane, request: Request) -> Reply:
    """Answer POST /v2/repository/index: every version, its state and the reason."""
    try:
        require_plain(request)
        asked = envelope(INDEX, request.body) if request.body else {}
    except ServiceError as error:
        return refuse(error)
    found = []
    for name, served in plane.served().items():
        found += [
            {"name": name, "version": str(each), "state": STATES[state], "reason": reason}
            for each, (state, reason) in served.versions().items()
            if state is State.LOADED or not asked.get("ready", False)
        ]
    return _ok(found)


def load(_: DataPlane, model: str) -> Reply:
    """Refuse POST /v2/repository/models/{m}/(load|unload): the registry decides."""
    return problem(
        HTTPStatus.BAD_REQUEST,
        "Loading and unloading by request is not allowed: it would reach one worker of many. "
        "Every worker follows the registry on disk; publish a version there, or move a label "
        f"with 'python -m models label {model} stable VERSION'.",
    )


def refuse(error: ServiceError) -> Reply:
    """The error body of a domain error."""
    return problem(STATUS[type(error)], str(error))


def problem(status: HTTPStatus, detail: str) -> Reply:
    """The protocol's error body."""
    return Reply(status, dumps({"error": detail}))


def _read(request: Request) -> tuple[Any, memoryview]:
    """The JSON of an inference request, and the bytes behind it."""
    require_plain(request)
    stated = request.header(HEADER)
    if not stated:
        return envelope(BODY, request.body), memoryview(b"")
    length = whole(stated, len(request.body))
    if length is None:
        raise MalformedBody(
            f"{HEADER} must be the length of the JSON in a body of {len(request.body)} bytes, "
            f"received {stated[:20]!r}."
        )
    return envelope(BODY, request.body[:length]), memoryview(request.body)[length:]


def _choose(plane: DataPlane, model: str, version: str | None, key: str = "") -> Loaded:
    if version is None:
        return plane.choose(model, key=key)
    return plane.choose(model, version_of(version))


def _columns(tensors: list[Any], raw: memoryview, names: Sequence[str]) -> list[Column]:
    """One column for each of the model's inputs: from a tensor each, or `features` for all."""
    found: dict[str, Any] = {}
    for tensor in tensors:
        name = tensor["name"]
        if name in found or name not in {*names, FEATURES}:
            expected = f"each of {', '.join(names)} once, or {FEATURES} alone"
            raise InvalidInput([Fault("inputs", expected, shown(name))])
        size = tensor.get("parameters", {}).get("binary_data_size")
        part = None
        if size is not None:
            part, raw = _cut(name, size, raw)
        found[name] = (tensor, part)
    if len(raw):
        raise MalformedBody(f"The body has {len(raw)} bytes more than its tensors.")
    if found.keys() == {FEATURES}:
        tensor, part = found[FEATURES]
        return _features(tensor, part, len(names))
    if found.keys() != set(names):
        expected = f"each of {', '.join(names)} once, or {FEATURES} alone"
        raise InvalidInput([Fault("inputs", expected, ", ".join(found))])
    return [_column(*found[name]) for name in names]


def _cut(name: str, size: Any, raw: memoryview) -> tuple[memoryview, memoryview]:
    """The next `size` bytes, and the rest."""
    if type(size) is not int or not 0 <= size <= len(raw):
        expected = f"at most the {len(raw)} bytes that are left"
        raise InvalidInput([Fault(f"{name}.parameters.binary_data_size", expected, shown(size))])
    return raw[:size], raw[size:]


def _column(tensor: Any, raw: memoryview | None) -> Column:
    """A tensor of shape [n] or [n, 1] as a column."""
    shape = tensor["shape"]
    if shape[1:] not in ([], [1]) or not shape:
        raise _wrong_shape(tensor, "[n] or [n, 1]")
    return Column(f"{tensor['name']}[{{}}]", _flat(tensor, raw))


def _features(tensor: Any, raw: memoryview | None, width: int) -> list[Column]:
    """A tensor of shape [n, k] as k columns."""
    if len(tensor["shape"]) != 2 or tensor["shape"][1] != width:
        raise _wrong_shape(tensor, f"[n, {width}]")
    flat = _flat(tensor, raw)
    return [Column(f"{FEATURES}[{{}}][{j}]", flat[j::width]) for j in range(width)]


def _flat(tensor: Any, raw: memoryview | None) -> list[Any] | NDArray[Any]:
    """The elements of a tensor in row-major order, as many as its shape says."""
    name, shape = tensor["name"], tensor["shape"]
    dtype = DATATYPES.get(tensor["datatype"])
    if dtype is None:
        expected = f"one of {', '.join(DATATYPES)}, for grams are numbers"
        raise InvalidInput([Fault(f"{name}.datatype", expected, shown(tensor["datatype"]))])
    count = math.prod(shape)
    if min(shape) < 0:
        raise _wrong_shape(tensor, "no negative dimension")
    if raw is not None and "data" in tensor:
        raise InvalidInput([Fault(name, "data or binary_data_size", "both")])
    if raw is not None:
        if len(raw) != count * dtype.itemsize:
            expected = f"{count * dtype.itemsize} bytes, {dtype.itemsize} for each of {count}"
            raise InvalidInput([Fault(name, expected, str(len(raw)))])
        return np.frombuffer(raw, dtype)
    if "data" not in tensor:
        raise InvalidInput([Fault(f"{name}.data", "an array", "nothing")])
    flat = _unnested(tensor)
    if len(flat) != count:
        raise InvalidInput(
            [Fault(f"{name}.data", f"{count} numbers, as its shape", str(len(flat)))]
        )
    if dtype.kind != "f":
        _require_integers(name, tensor["datatype"], flat, np.iinfo(dtype))
    return flat


def _unnested(tensor: Any) -> list[Any]:
    """The data as one list, whether it came flat or in the shape's own nesting."""
    data, shape = tensor["data"], tensor["shape"]
    if len(shape) == 1 or not data or type(data[0]) is not list:
        return data  # type: ignore[no-any-return]
    for i, row in enumerate(data):
        if type(row) is not list or len(row) != shape[1]:
            expected = f"an array of {shape[1]}, as its shape"
            raise InvalidInput([Fault(f"{tensor['name']}.data[{i}]", expected, shown(row))])
    return list(chain.from_iterable(data))


def _require_integers(name: str, datatype: str, flat: list[Any], limits: Any) -> None:
    for i, value in enumerate(flat):
        if type(value) is not int or not limits.min <= value <= limits.max:
            expected = f"a whole number from {limits.min} to {limits.max} ({datatype})"
            raise InvalidInput([Fault(f"{name}.data[{i}]", expected, shown(value))])


def _wrong_shape(tensor: Any, expected: str) -> InvalidInput:
    return InvalidInput([Fault(f"{tensor['name']}.shape", expected, shown(tensor["shape"]))])


def _answer(found: Prediction, body: Any) -> Reply:
    """The outputs that were asked for, in that order, as JSON or as bytes behind it."""
    asked = body.get("outputs") or [{"name": name} for name in OUTPUTS]
    _require_once(asked)
    default = _flag(body, "binary_data_output", default=False)
    told: dict[str, Any] = {
        "model_name": found.source.model,
        "model_version": str(found.source.version),
        "outputs": [],
    }
    if "id" in body:
        told["id"] = body["id"]
    raw = b""
    for output in asked:
        values = _output(found, output)
        part: dict[str, Any] = {
            "name": output["name"],
            "datatype": "FP32",
            "shape": [len(values)],
        }
        if _flag(output, "binary_data", default=default):
            part["parameters"] = {"binary_data_size": values.nbytes}
            raw += values.astype("<f4", copy=False).tobytes()
        else:
            part["data"] = values
        told["outputs"].append(part)
    content = dumps(told)
    headers = labelled(found.source)
    if not raw:
        return Reply(HTTPStatus.OK, content, headers=headers)
    headers = ((HEADER, str(len(content))), *headers)
    return Reply(HTTPStatus.OK, content + raw, "application/octet-stream", headers)


def _require_once(asked: list[Any]) -> None:
    """Raise InvalidInput for an output that is asked for twice: the answer would have no bound."""
    if len(asked) > len({output["name"] for output in asked}):
        raise InvalidInput([Fault("outputs", "each output once", f"{len(asked)} outputs")])


def _output(found: Prediction, output: Any) -> NDArray[np.float32]:
    if output["name"] not in OUTPUTS:
        raise InvalidInput([Fault("outputs", f"of {', '.join(OUTPUTS)}", shown(output["name"]))])
    unspoken = UNSPOKEN & output.get("parameters", {}).keys()
    if unspoken:
        expected = f"no {unspoken.pop()}, which is not supported"
        raise InvalidInput([Fault(f"{output['name']}.parameters", expected, "it")])
    values: NDArray[np.float32] = getattr(found, output["name"])
    return values


def _flag(told: Any, name: str, *, default: bool) -> bool:
    value = told.get("parameters", {}).get(name, default)
    if type(value) is not bool:
        raise InvalidInput([Fault(f"parameters.{name}", "true or false", shown(value))])
    return value


def _described(name: str) -> dict[str, Any]:
    return {"name": name, "datatype": "FP32", "shape": [-1]}


def _ok(content: Any) -> Reply:
    return Reply(HTTPStatus.OK, dumps(content))
