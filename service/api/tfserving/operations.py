"""TensorFlow Serving's REST API (tensorflow/serving, g3doc/api_rest.md), and KServe V1's explain.

    GET  /v1/models/{m}[/versions/{n}|/labels/{l}][/metadata]
    POST /v1/models/{m}[/versions/{n}|/labels/{l}]:(predict|regress|classify|explain)

Its own two patterns find the way, so that paths mean here what they mean there. Errors are
{"error": sentence}, and the sentences begin as TensorFlow Serving's do.
"""

import re
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Annotated, Any

import numpy as np
import orjson
from numpy.typing import NDArray
from pydantic import ConfigDict, FailFast, TypeAdapter
from typing_extensions import TypedDict

from models.numbers import whole
from service.api.answers import STATUS, Headers, Reply, Request, dumps, labelled, require_plain
from service.codecs.json_records import records
from service.codecs.json_rows import shown
from service.codecs.tensors import Column, columns_of, envelope, rows
from service.errors import Fault, InvalidInput, MalformedBody, NotFound, ServiceError
from service.serving.dataplane import DataPlane, Prediction
from service.serving.engines import OUTPUTS, Rows
from service.serving.loaded import Loaded, State, Status

_SERVABLE = r"/v1/models/([^/:]+)(?:/versions/([0-9]+)|/labels/([^/:]+))?"
_ASKED = re.compile(_SERVABLE + "(/metadata)?", re.IGNORECASE)
_COMPUTED = re.compile(_SERVABLE + ":([a-z]+)", re.IGNORECASE)

DEFAULT, FEATURES, REGRESS = "serving_default", "features", "tensorflow/serving/regress"

LARGEST = 2**63 - 1  # a version is a 64-bit number there


class ComputeRequest(TypedDict, total=False):
    """`instances` (rows) or `inputs` (columns); for :regress `examples`, with a `context`."""

    __pydantic_config__ = ConfigDict(strict=True)  # type: ignore[misc]
    signature_name: str
    instances: list[Any]
    inputs: Any
    examples: Annotated[list[dict[str, Any]], FailFast()]
    context: dict[str, Any]


BODY = TypeAdapter[Any](ComputeRequest)


def answer(plane: DataPlane, request: Request) -> Reply:
    """Answer any request below /v1/ by its method and path."""
    method, path = request.environ["REQUEST_METHOD"], request.environ["PATH_INFO"]
    if method == "POST" and (found := _COMPUTED.fullmatch(path)):
        *servable, verb = found.groups()
        if verb in VERBS:
            return VERBS[verb](plane, request, *servable)
    if method == "GET" and (found := _ASKED.fullmatch(path)):
        *servable, wanted = found.groups()
        return (metadata if wanted else status)(plane, *servable)
    return problem(
        HTTPStatus.BAD_REQUEST,
        f"Malformed request: {method} {path}. A prediction is POST /v1/models/MODEL:predict, "
        "a status GET /v1/models/MODEL.",
    )


def answers(method: str, path: str) -> bool:
    """Whether a request is one of the dialect's; any other is a malformed one."""
    if method == "POST":
        found = _COMPUTED.fullmatch(path)
        return found is not None and found[4] in VERBS
    return method == "GET" and _ASKED.fullmatch(path) is not None


def predict(
    plane: DataPlane,
    request: Request,
    model: str,
    version: str | None = None,
    label: str | None = None,
) -> Reply:
    """Answer :predict in the form that was asked in, rows (instances) or columns (inputs)."""
    try:
        body = _read(request)
        source = _choose(plane, model, version, label, request.canary_key)
        found = plane.predict(source, _rows(body, source, plane.max_rows))
    except ServiceError as error:
        return refuse(error)
    if "instances" in body:
        return _ok({"predictions": _as_rows(found)}, labelled(found.source))
    return _ok({"outputs": _as_columns(found)}, labelled(found.source))


def explain(
    plane: DataPlane,
    request: Request,
    model: str,
    version: str | None = None,
    label: str | None = None,
) -> Reply:
    """Answer KServe V1's :explain: the predictions, and what each input adds to the base."""
    try:
        body = _read(request)
        if "inputs" in body:
            raise MalformedBody("An explanation takes 'instances' and not 'inputs'.")
        source = _choose(plane, model, version, label, request.canary_key)
        found = plane.explain(source, _rows(body, source, plane.max_rows))
    except ServiceError as error:
        return refuse(error)
    names = found.prediction.source.inputs
    explanations = [
        {"base": found.base, "contributions": dict(zip(names, each, strict=True))}
        for each in found.contributions
    ]
    told = {"predictions": _as_rows(found.prediction), "explanations": explanations}
    return _ok(told, labelled(found.prediction.source))


def regress(
    plane: DataPlane,
    request: Request,
    model: str,
    version: str | None = None,
    label: str | None = None,
) -> Reply:
    """Answer :regress: one number an example, the calories."""
    try:
        body = _read(request)
        source = _choose(plane, model, version, label, request.canary_key)
        if body.get("signature_name", DEFAULT) not in {"", DEFAULT, REGRESS}:
            raise _no_signature(body["signature_name"])
        examples = _examples(body, source.inputs, plane.max_rows)
        columns = _of_instances(examples, source.inputs, "examples")
        found = plane.predict(source, rows(columns, plane.max_rows))
    except ServiceError as error:
        return refuse(error)
    return _ok({"results": found.calories}, labelled(source))


def classify(
    plane: DataPlane,
    request: Request,  # noqa: ARG001  as the other verbs
    model: str,
    version: str | None = None,
    label: str | None = None,
) -> Reply:
    """Refuse :classify as TensorFlow Serving does for a model without such a signature."""
    try:
        _choose(plane, model, version, label)
    except ServiceError as error:
        return refuse(error)
    return problem(
        HTTPStatus.BAD_REQUEST,
        "Expected classification signature method_name to be tensorflow/serving/classify. "
        "Was: tensorflow/serving/predict. This model has no classes; ask with :predict.",
    )


def status(
    plane: DataPlane, model: str, version: str | None = None, label: str | None = None
) -> Reply:
    """Answer GET /v1/models/{m}: the state of every version, or of the one asked for."""
    try:
        number = _number(version)
    except MalformedBody as error:
        return refuse(error)
    served = plane.served().get(model)
    if served is None:
        reason = f"Could not find any versions of model {model}"
        return problem(HTTPStatus.NOT_FOUND, reason)
    states = {each: _status(each, found) for each, found in served.versions().items()}
    if label is not None:
        if label not in served.labels:
            return refuse(_no_label(label))
        number = served.labels[label]
    if number is None:
        return _ok({"model_version_status": list(states.values())})
    if number not in states:
        reason = f"Could not find version {number} of model {model}"
        return problem(HTTPStatus.NOT_FOUND, reason)
    return _ok({"model_version_status": [states[number]]})


def metadata(
    plane: DataPlane, model: str, version: str | None = None, label: str | None = None
) -> Reply:
    """Answer GET .../metadata: the signatures, as they stand in saved_model.pb."""
    try:
        source = _choose(plane, model, version, label)
    except ServiceError as error:
        return refuse(error)
    spec = {"name": source.model, "signature_name": "", "version": str(source.version)}
    signatures = {"signature_def": signature_def(source.inputs)}
    return _ok({"model_spec": spec, "metadata": {"signature_def": signatures}})


def refuse(error: ServiceError) -> Reply:
    """The error body of a domain error."""
    return problem(STATUS[type(error)], str(error))


def problem(status: HTTPStatus, detail: str) -> Reply:
    """TensorFlow Serving's error body."""
    return Reply(status, dumps({"error": detail}))


def signature_def(inputs: Sequence[str]) -> dict[str, Any]:
    """The signatures that training exports for these inputs, as protobuf prints them in JSON."""
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
            {FEATURES: _tensor("features_features:0", table)}, "StatefulPartitionedCall"
        ),
        DEFAULT: _signature(
            {name: _tensor(f"serving_default_{name}:0", batch) for name in inputs},
            "StatefulPartitionedCall_1",
        ),
    }


STATES = {
    State.LOADING: "LOADING",
    State.LOADED: "AVAILABLE",
    State.UNLOADING: "UNLOADING",
    State.FAILED: "END",
}
Verb = Callable[..., Reply]
VERBS: dict[str, Verb] = {
    "predict": predict,
    "regress": regress,
    "classify": classify,
    "explain": explain,
}


def _read(request: Request) -> Any:
    require_plain(request)
    return envelope(BODY, request.body)


def _choose(
    plane: DataPlane, model: str, version: str | None, label: str | None, key: str = ""
) -> Loaded:
    """The version that a path names; raises with TensorFlow Serving's first words."""
    number = _number(version)
    try:
        return plane.choose(model, number, label, key)
    except NotFound as error:
        if label is not None:
            raise _no_label(label) from error
        servable = f"Specific({model}, {number})" if number is not None else f"Latest({model})"
        raise NotFound(f"Servable not found for request: {servable}. {error}") from error


def _number(version: str | None) -> int | None:
    if version is None:
        return None
    number = whole(version, LARGEST)
    if number is None:
        raise MalformedBody(f"Failed to convert version: {version[:40]} to numeric.")
    return number


def _rows(body: Any, source: Loaded, max_rows: int) -> Rows:
    """The rows of a :predict or :explain."""
    signature = body.get("signature_name") or DEFAULT
    if signature not in {DEFAULT, FEATURES}:
        raise _no_signature(signature)
    names = source.inputs if signature == DEFAULT else (FEATURES,)
    columns = _columns(body, names)
    if signature == FEATURES:
        columns = columns_of(*columns[0], len(source.inputs))  # type: ignore[arg-type]
    return rows(columns, max_rows)


def _columns(body: Any, names: Sequence[str]) -> list[Column]:
    if "instances" in body and "inputs" in body:
        raise MalformedBody(
            "Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist."
        )
    if "instances" in body:
        return _of_instances(body["instances"], names, "instances")
    if "inputs" in body:
        return _of_inputs(body["inputs"], names)
    raise MalformedBody("Missing 'inputs' or 'instances' key.")


def _of_instances(instances: list[Any], names: Sequence[str], place: str) -> list[Column]:
    """The row form: objects of all the names, or bare values where there is one name."""
    if instances and type(instances[0]) is not dict and len(names) == 1:
        return [Column(f"{place}[{{}}]", instances)]
    try:
        if {len(names)}.issuperset(map(len, instances)):
            return [
                Column(f"{place}[{{}}].{name}", [row[name] for row in instances]) for name in names
            ]
    except (KeyError, TypeError):
        pass  # one of them is no object with these names
    raise _wrong_instance(instances, names, place)


def _wrong_instance(instances: list[Any], names: Sequence[str], place: str) -> InvalidInput:
    i, found = next(
        (i, row)
        for i, row in enumerate(instances)
        if type(row) is not dict or row.keys() != set(names)
    )
    expected = f"an object whose keys are {', '.join(names)}"
    return InvalidInput([Fault(f"{place}[{i}]", expected, shown(found))])


def _of_inputs(inputs: Any, names: Sequence[str]) -> list[Column]:
    """The column form: an object of arrays, or one array where there is one name."""
    if type(inputs) is not dict:
        if len(names) > 1:
            raise InvalidInput(
                [Fault("inputs", f"an object of arrays: {', '.join(names)}", shown(inputs))]
            )
        inputs = {names[0]: inputs}
    for name in names:
        if type(inputs.get(name)) is not list:
            received = shown(inputs[name]) if name in inputs else "nothing"
            raise InvalidInput([Fault(f"inputs.{name}", "an array, one item a row", received)])
    return [Column(f"inputs.{name}[{{}}]", inputs[name]) for name in names]


def _examples(body: Any, names: Sequence[str], max_rows: int) -> list[Any]:
    """The examples with their context; a feature is a number or an array of one.

    Both are small before one is copied into the other: a large context in many examples would
    fill the memory.
    """
    if "examples" not in body:
        raise MalformedBody("Key 'examples' is expected and was not found.")
    context = body.get("context", {})
    if not context.keys() <= set(names):
        expected = f"no keys but {', '.join(names)}"
        raise InvalidInput([Fault("context", expected, shown(next(iter(context.keys() - names))))])
    if len(body["examples"]) > max_rows:
        raise InvalidInput([Fault("examples", f"at most {max_rows}", str(len(body["examples"])))])
    examples = []
    for i, example in enumerate(body["examples"]):
        twice = sorted(context.keys() & example.keys())
        if twice:
            expected = f"no {twice[0]}, for it is in the context"
            raise InvalidInput([Fault(f"examples[{i}]", expected, shown(example))])
        examples.append({name: _alone(value) for name, value in {**context, **example}.items()})
    return examples


def _alone(value: Any) -> Any:
    return value[0] if type(value) is list and len(value) == 1 else value


def _as_rows(found: Prediction) -> orjson.Fragment:
    return orjson.Fragment(records(_as_columns(found)))


def _as_columns(found: Prediction) -> dict[str, NDArray[np.float32]]:
    return {"calories": found.calories, "lower": found.lower, "upper": found.upper}


def _status(version: int, found: Status) -> dict[str, Any]:
    code = "UNKNOWN" if found.state is State.FAILED else "OK"
    told = {"error_code": code, "error_message": found.reason}
    return {"version": str(version), "state": STATES[found.state], "status": told}


def _signature(inputs: dict[str, Any], call: str) -> dict[str, Any]:
    outputs = {name: _tensor(f"{call}:{i}", [_dim(-1)]) for i, name in enumerate(OUTPUTS)}
    return {"inputs": inputs, "outputs": outputs, "method_name": "tensorflow/serving/predict"}


def _tensor(name: str, dim: list[dict[str, str]]) -> dict[str, Any]:
    shape = {"dim": dim, "unknown_rank": False}
    return {"dtype": "DT_FLOAT", "tensor_shape": shape, "name": name}


def _dim(size: int) -> dict[str, str]:
    return {"size": str(size), "name": ""}


def _no_signature(name: str) -> MalformedBody:
    return MalformedBody(
        f'Serving signature name: "{name}" not found in signature def; '
        f"there are {DEFAULT} and {FEATURES}."
    )


def _no_label(label: str) -> MalformedBody:
    return MalformedBody(f"Unrecognized servable version label: {label}.")


def _ok(content: dict[str, Any], headers: Headers = ()) -> Reply:
    return Reply(HTTPStatus.OK, dumps(content), headers=headers)
