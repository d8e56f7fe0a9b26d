"""Requests of the Open Inference Protocol: the version that is meant, and the tensors' rows."""

import math
from collections.abc import Sequence
from itertools import chain
from typing import Annotated, Any, NotRequired

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, ConfigDict, FailFast, Field, TypeAdapter
from typing_extensions import TypedDict

from models.numbers import whole
from service.api import answers
from service.codecs.columns import require_length
from service.codecs.faults import shown
from service.codecs.json_parts import LongArray
from service.codecs.tensors import Array, Column, envelope, numbers
from service.codecs.tensors import rows as rows_of
from service.errors import Fault, InvalidInput, MalformedBody
from service.exchange import Exchange, Request
from service.serving.accepted import Accepted
from service.serving.dataplane import DataPlane, version_of
from service.serving.engines import Rows
from service.serving.loaded import Loaded

HEADER = "Inference-Header-Content-Length"
FEATURES = "features"
LONG = frozenset({b'"data"'})  # the fields of a body that may be long

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
    data: NotRequired[Array]


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


def body(request: Request, max_rows: int) -> tuple[Any, memoryview]:
    """The JSON of an inference request, and the bytes behind it."""
    answers.require_plain(request)
    stated = request.header(HEADER.lower())
    if not stated:
        return envelope(BODY, request.body, max_rows, LONG), memoryview(b"")
    length = whole(stated, len(request.body))
    if length is None:
        raise MalformedBody(
            f"{HEADER} must be the length of the JSON in a body of {len(request.body)} bytes, "
            f"received {stated[:20]!r}."
        )
    return envelope(BODY, request.body[:length], max_rows, LONG), memoryview(request.body)[length:]


def listed(request: Request) -> Any:
    """The body of a request for the index, which may be empty."""
    answers.require_plain(request)
    return envelope(INDEX, request.body, 0, ()) if request.body else {}


def servable(plane: DataPlane, exchange: Exchange) -> Loaded:
    """The version that a path names; raises NotFound or NotLoaded."""
    model, version = exchange.arguments["model"], exchange.arguments.get("version")
    if version is None:
        return answers.choose(plane, exchange, model)
    return answers.choose(plane, exchange, model, version_of(version))


def rows(body: Any, raw: memoryview, accepted: Accepted, max_rows: int) -> Rows:
    """The rows of a request's tensors; raises MalformedBody and InvalidInput."""
    for tensor in body["inputs"]:
        if max(tensor["shape"][:1], default=0) > max_rows:  # before as many are parsed
            require_length(tensor["shape"][0], max_rows)
    return rows_of(_columns(body["inputs"], raw, accepted.names), accepted, max_rows)


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
        expected = f"one of {', '.join(DATATYPES)}, for inputs are numbers"
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
    data = tensor["data"]
    flat = _joined(tensor, data, count) if isinstance(data, LongArray) else _elements(tensor, data)
    if len(flat) != count:
        raise _wrong_count(tensor, count, str(len(flat)))
    return flat


def _joined(tensor: Any, data: LongArray, count: int) -> NDArray[np.float64]:
    """The elements of long data, as many as there may be."""
    found: list[NDArray[np.float64]] = []
    size = 0
    for _, part in data.parts():
        flat = _elements(tensor, part, size)
        size += len(flat)
        if size > count:
            raise _wrong_count(tensor, count, "more")
        place = f"{tensor['name']}.data[{{}}]"
        found.append(numbers(Column(place, flat, size - len(flat))))
    return np.concatenate(found)


def _elements(tensor: Any, data: list[Any], first: int = 0) -> list[Any]:
    """Data as one list, whether it came flat or in the shape's own nesting.

    Its elements are those from `first` on; of an integer type they must be integers.
    """
    shape, dtype = tensor["shape"], DATATYPES[tensor["datatype"]]
    if len(shape) > 1 and data and type(data[0]) is list:
        for i, row in enumerate(data):
            if type(row) is not list or len(row) != shape[1]:
                place = f"{tensor['name']}.data[{first // shape[1] + i}]"
                expected = f"an array of {shape[1]}, as its shape"
                raise InvalidInput([Fault(place, expected, shown(row))])
        data = list(chain.from_iterable(data))
    if dtype.kind != "f":
        _require_integers(tensor, data, first, np.iinfo(dtype))
    return data


def _require_integers(tensor: Any, flat: list[Any], first: int, limits: Any) -> None:
    for i, value in enumerate(flat, first):
        if type(value) is not int or not limits.min <= value <= limits.max:
            expected = f"a whole number from {limits.min} to {limits.max} ({tensor['datatype']})"
            raise InvalidInput([Fault(f"{tensor['name']}.data[{i}]", expected, shown(value))])


def _wrong_count(tensor: Any, count: int, received: str) -> InvalidInput:
    expected = f"{count} numbers, as its shape"
    return InvalidInput([Fault(f"{tensor['name']}.data", expected, received)])


def _wrong_shape(tensor: Any, expected: str) -> InvalidInput:
    return InvalidInput([Fault(f"{tensor['name']}.shape", expected, shown(tensor["shape"]))])
