"""Requests of TensorFlow Serving's dialect: the version that is meant, and its rows.

The sentences begin as TensorFlow Serving's do.
"""

from collections.abc import Sequence
from typing import Any

from pydantic import ConfigDict, TypeAdapter
from typing_extensions import TypedDict

from models.manifest import BY_NAME, Signature, Tensor
from models.numbers import whole
from service.api import answers
from service.codecs.faults import shown
from service.codecs.tensors import Array, Column, envelope, in_parts, is_array, rows, table
from service.errors import Fault, InvalidInput, MalformedBody, NotFound
from service.exchange import Exchange, Request
from service.serving.dataplane import DataPlane
from service.serving.engines import Rows
from service.serving.loaded import Loaded

REGRESS = "tensorflow/serving/regress"

LARGEST = 2**63 - 1  # a version is a 64-bit number there


class ComputeRequest(TypedDict, total=False):
    """`instances` (rows) or `inputs` (columns); for :regress `examples`, with a `context`."""

    __pydantic_config__ = ConfigDict(strict=True)  # type: ignore[misc]
    signature_name: str
    instances: Array
    inputs: Any
    examples: Array
    context: dict[str, Any]


BODY = TypeAdapter[Any](ComputeRequest)


def body(request: Request, max_rows: int) -> Any:
    """The body as ComputeRequest; raises MalformedBody, InvalidInput or UnsupportedMediaType."""
    answers.require_plain(request)
    return envelope(BODY, request.body, max_rows)


def servable(plane: DataPlane, exchange: Exchange) -> Loaded:
    """The version that a path names; raises with TensorFlow Serving's first words."""
    named = exchange.arguments
    model, label, number = named["model"], named.get("label"), version(exchange)
    try:
        return answers.choose(plane, exchange, model, number, label)
    except NotFound as error:
        if label is not None:
            raise no_label(label) from error
        meant = f"Specific({model}, {number})" if number is not None else f"Latest({model})"
        raise NotFound(f"Servable not found for request: {meant}. {error}") from error


def version(exchange: Exchange) -> int | None:
    """The version that a path names, if it names one; raises MalformedBody for no 64-bit number."""
    named = exchange.arguments.get("version")
    if named is None:
        return None
    number = whole(named, LARGEST)
    if number is None:
        raise MalformedBody(f"Failed to convert version: {named[:40]} to numeric.")
    return number


def predicted(body: Any, source: Loaded, max_rows: int) -> Rows:
    """The rows of a :predict or :explain."""
    signature = _signature(body.get("signature_name"), source)
    if "instances" in body and "inputs" in body:
        raise MalformedBody(
            "Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist."
        )
    if "instances" in body:

        def read(part: list[Any], first: int) -> Rows:
            tensors = _tensors(part[0] if part else None, source, signature)
            columns = _of_instances(part, [each.name for each in tensors], "instances", first)
            return _rows(columns, tensors, source, max_rows)

        return in_parts(body["instances"], read, max_rows)
    if "inputs" in body:
        tensors = _tensors(_first_row(body["inputs"]), source, signature)
        columns = _of_inputs(body["inputs"], [each.name for each in tensors])
        return _rows(columns, tensors, source, max_rows)
    raise MalformedBody("Missing 'inputs' or 'instances' key.")


def _signature(name: str | None, source: Loaded) -> Signature:
    """The one that is named, else the usual one; raises MalformedBody."""
    found = source.signatures.get(name or next(iter(source.signatures)))
    if found is None:
        raise MalformedBody(
            f'Serving signature name: "{name}" not found in signature def; there '
            f"{'are' if len(source.signatures) > 1 else 'is'} {' and '.join(source.signatures)}."
        )
    return found


def _tensors(row: Any, source: Loaded, signature: Signature) -> Sequence[Tensor]:
    """Those of the signature; or one an input, where a row gives each its number.

    The latter is our own form, which a model that was made elsewhere is asked in as well.
    """
    ours = type(row) is dict and row.keys() == {*source.inputs}
    return source.tensors if ours and not any(map(is_array, row.values())) else signature.tensors


def _first_row(inputs: Any) -> Any:
    """The first row of the column form, as the row form has it."""
    if type(inputs) is not dict:
        return None
    return {name: it[0] if type(it) is list and it else it for name, it in inputs.items()}


def _rows(columns: list[Column], tensors: Sequence[Tensor], source: Loaded, max_rows: int) -> Rows:
    """The rows that columns of the tensors' items hold, numbers or lists of them."""
    accepted = source.accepted
    if len(tensors) == 1 and len(tensors[0].shape) == 2:
        return table(columns[0], accepted, max_rows)
    for place, (column, tensor) in enumerate(zip(columns, tensors, strict=True)):
        if len(tensor.shape) == 2:  # [n, 1]
            values = table(column, accepted.only(place), max_rows)[:, 0]
            columns[place] = column._replace(values=values)
    return rows(columns, accepted, max_rows)


def _of_instances(
    instances: list[Any], names: Sequence[str], place: str, first: int
) -> list[Column]:
    """The row form: objects of all the names, or bare values where there is one name."""
    if instances and type(instances[0]) is not dict and len(names) == 1:
        return [Column(f"{place}[{{}}]", instances, first)]
    try:
        if {len(names)}.issuperset(map(len, instances)):
            return [
                Column(f"{place}[{{}}].{name}", [row[name] for row in instances], first)
                for name in names
            ]
    except (KeyError, TypeError):
        pass  # one of them is no object with these names
    raise _wrong_instance(instances, names, place, first)


def _wrong_instance(
    instances: list[Any], names: Sequence[str], place: str, first: int
) -> InvalidInput:
    i, found = next(
        (i, row)
        for i, row in enumerate(instances, first)
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
        if not is_array(inputs.get(name)):
            received = shown(inputs[name]) if name in inputs else "nothing"
            raise InvalidInput([Fault(f"inputs.{name}", "an array, one item a row", received)])
    return [Column(f"inputs.{name}[{{}}]", inputs[name]) for name in names]


def regressed(body: Any, source: Loaded, max_rows: int) -> Rows:
    """The rows of a :regress."""
    name = body.get("signature_name")
    if name not in {BY_NAME, REGRESS}:
        _signature(name, source)
    if "examples" not in body:
        raise MalformedBody("Key 'examples' is expected and was not found.")
    names, examples, context = source.inputs, body["examples"], body.get("context", {})
    if not context.keys() <= set(names):
        expected = f"no keys but {', '.join(names)}"
        raise InvalidInput([Fault("context", expected, shown(next(iter(context.keys() - names))))])
    if len(examples) > max_rows:
        raise InvalidInput([Fault("examples", f"at most {max_rows}", str(len(examples)))])

    def read(part: list[Any], first: int) -> Rows:
        instances = _with(context, part, first)
        columns = _of_instances(instances, names, "examples", first)
        return rows(columns, source.accepted, max_rows)

    return in_parts(examples, read, max_rows)


def _with(context: dict[str, Any], examples: list[Any], first: int) -> list[Any]:
    """Examples with their context; a feature is a number or an array of one."""
    instances = []
    for i, example in enumerate(examples, first):
        if type(example) is not dict:
            raise InvalidInput([Fault(f"examples[{i}]", "an object", shown(example))])
        twice = sorted(context.keys() & example.keys()) if context else ()
        if twice:
            expected = f"no {twice[0]}, for it is in the context"
            raise InvalidInput([Fault(f"examples[{i}]", expected, shown(example))])
        row = {**context, **example}
        for name, value in row.items():
            if type(value) is list and len(value) == 1:
                row[name] = value[0]
        instances.append(row)
    return instances


def no_label(label: str) -> MalformedBody:
    """A label that the model does not have."""
    return MalformedBody(f"Unrecognized servable version label: {label}.")
