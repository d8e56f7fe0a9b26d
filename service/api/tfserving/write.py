"""Answers of TensorFlow Serving's dialect."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from models.manifest import BY_NAME, FEATURES
from service.codecs.json_records import records
from service.errors import NotLoaded
from service.serving.dataplane import Prediction
from service.serving.loaded import State, VersionStatus

STATES = {
    State.LOADING: "LOADING",
    State.LOADED: "AVAILABLE",
    State.UNLOADING: "UNLOADING",
    State.FAILED: "END",
}


def rows(found: Prediction) -> Any:
    """The outputs, an object a row; a single output has no name there."""
    told = columns(found)
    return orjson.Fragment(records(told)) if isinstance(told, dict) else told


def columns(found: Prediction) -> dict[str, NDArray[np.float32]] | NDArray[np.float32]:
    """The outputs of the SavedModel by name; a single one as it is, [n] or [n, 1].

    What was made elsewhere answers without the interval that was measured of it here.
    """
    signature = found.source.manifest.signature
    if signature:
        return found.value[:, None] if len(signature.output.shape) == 2 else found.value
    return found.outputs if len(found.columns) > 1 else found.value


def status(version: int, found: VersionStatus) -> dict[str, Any]:
    """The state of one version, and why it is so."""
    code = "UNKNOWN" if found.state is State.FAILED else "OK"
    told = {"error_code": code, "error_message": found.reason}
    return {"version": str(version), "state": STATES[found.state], "status": told}


def stored(signatures: bytes) -> Any:
    """The signatures that adopting wrote down; raises NotLoaded for what is no JSON."""
    try:
        return orjson.loads(signatures)
    except ValueError as error:
        raise NotLoaded("The version's signatures cannot be read; adopt it again.") from error


def signature_def(inputs: Sequence[str], outputs: Sequence[str]) -> dict[str, Any]:
    """The signatures that training exports for these, as protobuf prints them in JSON."""
    batch, table = [_dim(-1)], [_dim(-1), _dim(len(inputs))]
    return {
        "__saved_model_init_op": {
            "inputs": {},
            "outputs": {
                "__saved_model_init_op": {
                    "dtype": "DT_INVALID",
                    "tensor_shape": {"dim": [], "unknown_rank": True},
                    "name": "NoOp",
                }
            },
            "method_name": "",
        },
        FEATURES: _signature(
            {FEATURES: _tensor("features_features:0", table)}, outputs, "StatefulPartitionedCall"
        ),
        BY_NAME: _signature(
            {name: _tensor(f"serving_default_{name}:0", batch) for name in inputs},
            outputs,
            "StatefulPartitionedCall_1",
        ),
    }


def _signature(inputs: dict[str, Any], outputs: Sequence[str], call: str) -> dict[str, Any]:
    told = {name: _tensor(f"{call}:{i}", [_dim(-1)]) for i, name in enumerate(outputs)}
    return {"inputs": inputs, "outputs": told, "method_name": "tensorflow/serving/predict"}


def _tensor(name: str, dim: list[dict[str, str]]) -> dict[str, Any]:
    shape = {"dim": dim, "unknown_rank": False}
    return {"dtype": "DT_FLOAT", "tensor_shape": shape, "name": name}


def _dim(size: int) -> dict[str, str]:
    return {"size": str(size), "name": ""}
