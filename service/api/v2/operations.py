"""The Open Inference Protocol, V2 (kserve/open-inference-protocol, inference_rest.md).

With two of Triton's extensions: binary_tensor_data, in which tensors follow the JSON as raw
little-endian bytes, and of model_repository the index. Errors are {"error": sentence}.
"""

from collections.abc import Callable
from functools import partial

from service import __version__
from service.api.answers import ok
from service.api.v2 import read, write
from service.api.v2.errors import V2
from service.errors import Unsupported
from service.exchange import Exchange, Operation, Response, Scope
from service.serving import dataplane
from service.serving.dataplane import DataPlane
from service.serving.loaded import State

VERSIONS = {"": "", "/versions/{version}": "_of_version"}


def operations(plane: DataPlane) -> tuple[Operation, ...]:
    """Its rows of the table."""

    def row(
        method: str,
        name: str,
        path: str,
        answer: Callable[[DataPlane, Exchange], Response],
        scope: Scope,
    ) -> Operation:
        return Operation(
            f"v2_{name}",
            method,
            f"/v2{path}",
            partial(answer, plane),
            V2,
            scope,
            hot=answer is infer,
            takes_body=answer in {infer, index},
        )

    return (
        row("GET", "server", "", server, "predict"),
        row("GET", "live", "/health/live", live, "open"),
        row("GET", "ready", "/health/ready", ready, "open"),
        *(
            each
            for version, suffix in VERSIONS.items()
            for path in (f"/models/{{model}}{version}",)
            for each in (
                row("GET", f"metadata{suffix}", path, metadata, "predict"),
                row("GET", f"model_ready{suffix}", f"{path}/ready", model_ready, "predict"),
                row("POST", f"infer{suffix}", f"{path}/infer", infer, "predict"),
            )
        ),
        row("POST", "index", "/repository/index", index, "predict"),
        row("POST", "load", "/repository/models/{model}/load", load, "predict"),
        row("POST", "unload", "/repository/models/{model}/unload", load, "predict"),
    )


def infer(plane: DataPlane, exchange: Exchange) -> Response:
    """Infer from tensors."""
    body, raw = read.body(exchange.request, plane.max_rows)
    source = read.servable(plane, exchange)
    rows = read.rows(body, raw, source.accepted, plane.max_rows)
    found = exchange.prediction = dataplane.predict(source, rows)
    return write.inferred(found, body)


def server(_: DataPlane, __: Exchange) -> Response:
    """Tell what this server is."""
    extensions = ["binary_tensor_data", "model_repository"]
    return ok({"name": "calories", "version": __version__, "extensions": extensions})


def live(_: DataPlane, __: Exchange) -> Response:
    """Tell that the process answers."""
    return ok({"live": True})


def ready(plane: DataPlane, _: Exchange) -> Response:
    """Tell that the default model answers; raises NotLoaded until it does."""
    plane.require_ready()
    return ok({"live": True, "ready": True})


def model_ready(plane: DataPlane, exchange: Exchange) -> Response:
    """Tell that a model answers."""
    read.servable(plane, exchange)
    return ok({"name": exchange.arguments["model"], "ready": True})


def metadata(plane: DataPlane, exchange: Exchange) -> Response:
    """Tell the tensors that a model takes and gives."""
    source = read.servable(plane, exchange)
    return ok(
        {
            "name": source.model,
            "versions": [str(each) for each in sorted(plane.served()[source.model].loaded)],
            "platform": "tensorflow_savedmodel",
            "inputs": [write.described(name) for name in source.inputs],
            "outputs": [write.described(name) for name in source.outputs],
        }
    )


def index(plane: DataPlane, exchange: Exchange) -> Response:
    """List every version, its state and the reason; `ready` leaves out what does not answer."""
    asked = read.listed(exchange.request)
    return ok(
        [
            {"name": name, "version": str(each), "state": write.STATES[state], "reason": reason}
            for name, served in plane.served().items()
            for each, (state, reason) in served.versions().items()
            if state is State.LOADED or not asked.get("ready", False)
        ]
    )


def load(_: DataPlane, exchange: Exchange) -> Response:
    """Refuse to load or unload: the registry decides."""
    raise Unsupported(
        "Loading and unloading by request is not allowed: it would reach one worker of many. "
        "Every worker follows the registry on disk; publish a version there, or move a label "
        f"with 'python -m models label {exchange.arguments['model']} stable VERSION'."
    )
