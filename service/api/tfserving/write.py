"""Answers of TensorFlow Serving's dialect."""

from collections.abc import Sequence
from typing import Any

import orjson

from service.api.tfserving.read import DEFAULT, FEATURES
from service.codecs.json_records import records
from service.serving.dataplane import Prediction
from service.serving.loaded import State, VersionStatus

STATES = {
    State.LOADING: "LOADING",
    State.LOADED: "AVAILABLE",
    State.UNLOADING: "UNLOADING",
    State.FAILED: "END",
}


def rows(found: Prediction) -> orjson.Fragment:
    """The outputs, an object a row."""
    return orjson.Fragment(records(found.outputs))


def status(version: int, found: VersionStatus) -> dict[str, Any]:
    """The state of one version, and why it is so."""
    code = "UNKNOWN" if found.state is State.FAILED else "OK"
    told = {"error_code": code, "error_message": found.reason}
    return {"version": str(version), "state": STATES[found.state], "status": told}


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
        DEFAULT: _signature(
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
