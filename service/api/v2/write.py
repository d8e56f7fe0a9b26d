"""Answers of the Open Inference Protocol: tensors, as JSON or as bytes behind it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.api.answers import dumps, labelled
from service.api.v2.read import HEADER
from service.codecs.faults import shown
from service.errors import Fault, InvalidInput
from service.exchange import Response
from service.serving.dataplane import Prediction
from service.serving.loaded import State

STATES = {
    State.LOADING: "LOADING",
    State.LOADED: "READY",
    State.UNLOADING: "UNLOADING",
    State.FAILED: "UNAVAILABLE",
}
# Of Triton's parameters those that would change the answer, and are not supported here.
UNSUPPORTED = {"classification", "shared_memory_region"}


def inferred(found: Prediction, body: Any) -> Response:
    """The outputs that were asked for, in that order, as JSON or as bytes behind it."""
    outputs = found.outputs
    asked = body.get("outputs") or [{"name": name} for name in outputs]
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
        values = _output(outputs, output)
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
        return Response(200, content, headers=headers)
    headers = ((HEADER, str(len(content))), *headers)
    return Response(200, content + raw, "application/octet-stream", headers)


def _require_once(asked: list[Any]) -> None:
    """Raise InvalidInput for an output that is asked for twice: the answer would have no bound."""
    if len(asked) > len({output["name"] for output in asked}):
        raise InvalidInput([Fault("outputs", "each output once", f"{len(asked)} outputs")])


def _output(outputs: Mapping[str, NDArray[np.float32]], output: Any) -> NDArray[np.float32]:
    if output["name"] not in outputs:
        raise InvalidInput([Fault("outputs", f"of {', '.join(outputs)}", shown(output["name"]))])
    unsupported = UNSUPPORTED & output.get("parameters", {}).keys()
    if unsupported:
        expected = f"no {unsupported.pop()}, which is not supported"
        raise InvalidInput([Fault(f"{output['name']}.parameters", expected, "it")])
    return outputs[output["name"]]


def _flag(told: Any, name: str, *, default: bool) -> bool:
    value = told.get("parameters", {}).get(name, default)
    if type(value) is not bool:
        raise InvalidInput([Fault(f"parameters.{name}", "true or false", shown(value))])
    return value


def described(name: str) -> dict[str, Any]:
    """A tensor that a model takes or gives."""
    return {"name": name, "datatype": "FP32", "shape": [-1]}
