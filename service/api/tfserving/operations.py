"""TensorFlow Serving's REST API (tensorflow/serving, g3doc/api_rest.md), and KServe V1's explain.

GET  /v1/models/{m}[/versions/{n}|/labels/{l}][/metadata]
POST /v1/models/{m}[/versions/{n}|/labels/{l}]:(predict|regress|classify|explain)
"""

from collections.abc import Callable
from functools import partial

from service.api.answers import labelled, ok
from service.api.tfserving import read, write
from service.api.tfserving.errors import TFSERVING
from service.errors import MalformedBody, NotFound, Unsupported
from service.exchange import Exchange, Operation, Response
from service.serving import dataplane
from service.serving.dataplane import DataPlane

# What a path may name, and what that adds to an operation's name.
SERVABLES = {"": "", "/versions/{version:digits}": "_of_version", "/labels/{label}": "_of_label"}


def operations(plane: DataPlane) -> tuple[Operation, ...]:
    """Its rows of the table."""
    return tuple(
        row for servable, suffix in SERVABLES.items() for row in _of(plane, servable, suffix)
    )


def _of(plane: DataPlane, servable: str, suffix: str) -> tuple[Operation, ...]:
    path = f"/v1/models/{{model}}{servable}"

    def row(
        method: str, name: str, path: str, answer: Callable[[DataPlane, Exchange], Response]
    ) -> Operation:
        return Operation(
            f"v1_{name}{suffix}",
            method,
            path,
            partial(answer, plane),
            TFSERVING,
            hot=name == "predict",
            takes_body=method == "POST",
            any_case=True,
        )

    verbs = {"predict": predict, "regress": regress, "classify": classify, "explain": explain}
    return (
        row("GET", "status", path, status),
        row("GET", "metadata", f"{path}/metadata", metadata),
        *(row("POST", verb, f"{path}:{verb}", answer) for verb, answer in verbs.items()),
    )


def predict(plane: DataPlane, exchange: Exchange) -> Response:
    """Answer in the form that was asked in, rows (instances) or columns (inputs)."""
    body = read.body(exchange.request, plane.max_rows)
    source = read.servable(plane, exchange)
    rows = read.predicted(body, source, plane.max_rows)
    found = exchange.prediction = dataplane.predict(source, rows)
    if "instances" in body:
        return ok({"predictions": write.rows(found)}, labelled(source))
    return ok({"outputs": write.columns(found)}, labelled(source))


def explain(plane: DataPlane, exchange: Exchange) -> Response:
    """KServe V1's: the predictions, and what each input adds to the base."""
    body = read.body(exchange.request, plane.max_rows)
    if "inputs" in body:
        raise MalformedBody("An explanation takes 'instances' and not 'inputs'.")
    source = read.servable(plane, exchange)
    found = plane.explain(source, read.predicted(body, source, plane.max_rows))
    exchange.prediction = found.prediction
    explanations = [found.of_row(place) for place in range(len(found.contributions))]
    told = {"predictions": write.rows(found.prediction), "explanations": explanations}
    return ok(told, labelled(source))


def regress(plane: DataPlane, exchange: Exchange) -> Response:
    """One number an example, the output."""
    body = read.body(exchange.request, plane.max_rows)
    source = read.servable(plane, exchange)
    rows = read.regressed(body, source, plane.max_rows)
    found = exchange.prediction = dataplane.predict(source, rows)
    return ok({"results": found.value}, labelled(source))


def classify(plane: DataPlane, exchange: Exchange) -> Response:
    """Refuse as TensorFlow Serving does for a model without such a signature."""
    read.servable(plane, exchange)
    raise Unsupported(
        "Expected classification signature method_name to be tensorflow/serving/classify. "
        "Was: tensorflow/serving/predict. This model has no classes; ask with :predict."
    )


def status(plane: DataPlane, exchange: Exchange) -> Response:
    """The state of every version, or of the one asked for."""
    model, label = exchange.arguments["model"], exchange.arguments.get("label")
    number = read.version(exchange)
    served = plane.served().get(model)
    if served is None:
        raise NotFound(f"Could not find any versions of model {model}")
    states = {each: write.status(each, found) for each, found in served.versions().items()}
    if label is not None:
        if label not in served.labels:
            raise read.no_label(label)
        number = served.labels[label]
    if number is None:
        return ok({"model_version_status": list(states.values())})
    if number not in states:
        raise NotFound(f"Could not find version {number} of model {model}")
    return ok({"model_version_status": [states[number]]})


def metadata(plane: DataPlane, exchange: Exchange) -> Response:
    """The signatures, as they stand in saved_model.pb."""
    source = read.servable(plane, exchange)
    spec = {"name": source.model, "signature_name": "", "version": str(source.version)}
    if source.manifest.signature:
        told = write.stored(plane.signatures(source))
    else:
        told = write.signature_def(source.inputs, source.outputs)
    return ok({"model_spec": spec, "metadata": {"signature_def": {"signature_def": told}}})
