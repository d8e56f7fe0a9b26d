"""Which signature is asked, what its tensors carry, and in which order."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from models.manifest import (
    INPUT_NAME,
    MOST_INPUTS,
    TAKEN,
    TAKEN_BESIDE,
    Answer,
    Signature,
    Tensor,
)
from training.adopt import NotAdopted

USUAL = "serving_default"
FLOATS = {"float32", "float64", "float16", "bfloat16"}
ROWS_ONLY = "expected [n] or [n, k], with as many rows as are asked"
POSSIBLE = (
    "Numbers go in and one number comes out: give the model float inputs, which it casts itself, "
    "and one float output, and export it again."
)


def choose(signatures: Mapping[str, Any], asked: str | None) -> str:
    """The name of the signature to serve; raises NotAdopted where that is not clear."""
    names = [name for name in signatures if not name.startswith("__")]
    told = ", ".join(map(repr, sorted(names))) or "none"
    if asked is not None and asked not in names:
        raise NotAdopted(f"There is no signature {asked!r}; there are: {told}.")
    if asked is None and USUAL not in names and len(names) != 1:
        raise NotAdopted(
            f"Which signature is to be served? Choose with --signature; there are: {told}."
        )
    return asked or (USUAL if USUAL in names else names[0])


def read(signature: Any, name: str, inputs: Sequence[str]) -> Signature:
    """The card of a SignatureDef, with `inputs` as names in their order, where there are some.

    Raises NotAdopted for what cannot be served, and says what is possible.
    """
    if len(signature.outputs) != 1:
        raise NotAdopted(
            f"Signature {name!r} answers {len(signature.outputs)} tensors "
            f"({', '.join(map(repr, sorted(signature.outputs)))}). {POSSIBLE}"
        )
    if not signature.inputs:
        raise NotAdopted(f"Signature {name!r} takes no tensor, so it answers nothing. {POSSIBLE}")
    shapes = {key: _shape(key, signature.inputs[key]) for key in sorted(signature.inputs)}
    tensors = _tensors(shapes, inputs)
    count = sum(len(each.inputs) for each in tensors)
    if not 1 <= count <= MOST_INPUTS:
        raise NotAdopted(
            f"Signature {name!r} takes {count} inputs; 1 to {MOST_INPUTS} can be served."
        )
    [(key, output)] = signature.outputs.items()
    shape = _shape(key, output)
    if shape not in ((-1,), (-1, 1)):
        raise NotAdopted(
            f"Signature {name!r} answers {key!r} as {_told(shape)}; expected [n] or [n, 1]. "
            f"{POSSIBLE}"
        )
    return Signature(name=name, tensors=tensors, output=Answer(name=key, shape=shape))


def output_name(signature: Signature, asked: str, inputs: Sequence[str]) -> str:
    """What answers are called: as asked, else as the tensor is called, if an answer has room."""
    taken = TAKEN | TAKEN_BESIDE | {*inputs}
    if asked:
        if asked in taken or not re.fullmatch(INPUT_NAME, asked):
            raise NotAdopted(f"--target {asked}: an answer cannot be called so; choose another.")
        return asked
    return _plain(signature.output.name, taken, "output")


def _shape(name: str, info: Any) -> tuple[int, ...]:
    """The shape of a tensor of floats, -1 for any size; raises NotAdopted."""
    if info.WhichOneof("encoding") != "name":
        raise NotAdopted(f"{name!r} is a sparse or ragged tensor. {POSSIBLE}")
    kind = tf.dtypes.as_dtype(info.dtype).name if info.dtype else "of no type"
    if kind not in FLOATS:
        raise NotAdopted(f"{name!r} is a tensor of {kind}. {POSSIBLE}")
    shape = tuple(each.size for each in info.tensor_shape.dim)
    if info.tensor_shape.unknown_rank or len(shape) not in (1, 2) or shape[0] != -1:
        raise NotAdopted(f"{name!r} has the shape {_told(shape)}; {ROWS_ONLY}. {POSSIBLE}")
    return shape


def _told(shape: Sequence[int]) -> str:
    return f"[{', '.join('n' if size < 0 else str(size) for size in shape)}]"


def _tensors(shapes: Mapping[str, tuple[int, ...]], inputs: Sequence[str]) -> tuple[Tensor, ...]:
    """The tensors in the order of the inputs: those that are asked for, else alphabetical."""
    if len(shapes) == 1:
        [(name, shape)] = shapes.items()
        return (_table(name, shape, inputs),)
    wide = [name for name, shape in shapes.items() if shape not in ((-1,), (-1, 1))]
    if wide:
        raise NotAdopted(
            f"Beside other tensors, {wide[0]!r} is {_told(shapes[wide[0]])}; expected one tensor "
            "[n, k], or one of [n] or [n, 1] for each input."
        )
    if len(shapes) > MOST_INPUTS:
        raise NotAdopted(f"It takes {len(shapes)} inputs; 1 to {MOST_INPUTS} can be served.")
    named: dict[str, str] = {}
    for number, name in enumerate(shapes, 1):
        named[_plain(name, TAKEN | named.keys(), f"x{number}")] = name
    if inputs and {*inputs} != named.keys():
        raise NotAdopted(
            f"--inputs {','.join(inputs)}: expected the tensors' names, each once, in whatever "
            f"order: {','.join(named)}."
        )
    order = inputs or named
    return tuple(
        Tensor(name=named[each], shape=shapes[named[each]], inputs=(each,)) for each in order
    )


def _table(name: str, shape: tuple[int, ...], inputs: Sequence[str]) -> Tensor:
    """A tensor that carries all inputs; its columns have no names but those that are given."""
    columns = 1 if len(shape) == 1 else shape[1]
    if columns < 0 and not inputs:
        raise NotAdopted(
            f"{name!r} is {_told(shape)} and does not say how many numbers a row has: name them in "
            "their order with --inputs."
        )
    if columns > MOST_INPUTS or columns == 0:
        raise NotAdopted(f"{name!r} takes {columns} inputs; 1 to {MOST_INPUTS} can be served.")
    if inputs and columns not in (-1, len(inputs)):
        raise NotAdopted(
            f"--inputs names {len(inputs)}, and a row of {name!r} has {columns} numbers: name each "
            "of them in its order."
        )
    if not inputs:
        first = _plain(name, TAKEN, "x1")
        inputs = (first,) if columns == 1 else [f"x{i}" for i in range(1, columns + 1)]
    shape = shape[:1] if len(shape) == 1 else (-1, len(inputs))
    return Tensor(name=name, shape=shape, inputs=tuple(inputs))


def _plain(name: str, taken: frozenset[str] | set[str], other: str) -> str:
    """A tensor's name as one of a manifest, or another where an answer has it already."""
    plain = re.sub(r"\W", "_", name, flags=re.ASCII)[:63]
    return plain if re.fullmatch(INPUT_NAME, plain) and plain not in taken else other
