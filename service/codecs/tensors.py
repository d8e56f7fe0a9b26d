"""Tensors: named columns of JSON numbers, or of raw bytes, as float32 rows.

For the dialects that name tensors. A column is looked at as a whole, one pass over its types
and one over its range; only one that is wrong is searched for the place.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Annotated, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import PlainValidator, TypeAdapter, ValidationError, WithJsonSchema
from pydantic_core import PydanticCustomError

from service.codecs import json_parts
from service.codecs.columns import require_length, to_rows
from service.codecs.faults import listed, path, received, shown
from service.codecs.json_parts import LongArray
from service.errors import Fault, InvalidInput
from service.serving.accepted import Accepted
from service.serving.engines import Rows

NUMBERS = {int, float}  # of JSON: neither true nor "1.5" is one

EXPECTED = {
    "missing": "a value",
    "string_type": "a string",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "list_type": "an array",
    "dict_type": "an object",
    "too_short": "at least one item",
}


def is_array(value: Any) -> bool:
    """Whether a value of a body is an array, long or short."""
    return type(value) in {list, LongArray}


def _array(value: Any) -> Any:
    if not is_array(value):
        raise PydanticCustomError("list_type", "an array")
    return value


Array = Annotated[
    Any, PlainValidator(_array), WithJsonSchema({"type": "array", "items": {}})
]  # of anything: what is in it is looked at by who knows the model


class Column(NamedTuple):
    """One number a row; `place` tells where the i-th came from: "instances[{}].width".

    The values are those of the rows from `first` on.
    """

    place: str
    values: Any  # a list, a tuple, an array of NumPy or a LongArray
    first: int = 0


def envelope(
    shape: TypeAdapter[Any], body: bytes, max_rows: int, keys: Collection[bytes] | None = None
) -> Any:
    """The body as `shape` describes it, fields that it does not name left out.

    Long arrays, with `keys` those of such names, are LongArrays. Raises MalformedBody for what is
    no JSON, InvalidInput for JSON of another shape or more rows.
    """
    found = json_parts.loads(body, max_rows, keys)
    try:
        return shape.validate_python(found)
    except ValidationError as error:
        details = listed(error)
    raise InvalidInput([_fault(detail, found) for detail in details])


def in_parts(items: list[Any] | LongArray, read: Callable[[Any, int], Rows], max_rows: int) -> Rows:
    """What `read` makes of the items, of many of them a part at a time, told its first's number.

    Raises InvalidInput for more than `max_rows`.
    """
    if not isinstance(items, LongArray):
        return read(items, 0)
    require_length(len(items), max_rows)
    return np.concatenate([read(part, first) for first, part in items.parts()])


def rows(columns: Sequence[Column], accepted: Accepted, max_rows: int) -> Rows:
    """Columns of one length, in the order of the inputs, as float32 [n, k].

    Raises InvalidInput when their lengths differ, there are none or too many rows, or
    something is no number that its input accepts.
    """
    _require_one_length(columns, max_rows)
    columns = [_short(column, accepted, place, max_rows) for place, column in enumerate(columns)]
    return to_rows(
        [_numbers(column.values) for column in columns],
        accepted,
        [column.place for column in columns],
        lambda number, row: shown(columns[number].values[row]),
        columns[0].first,
    )


def table(column: Column, accepted: Accepted, max_rows: int) -> Rows:
    """A column of lists of k numbers as float32 [n, k]; raises InvalidInput."""

    def read(part: Any, first: int) -> Rows:
        of_part = Column(column.place, part, column.first + first)
        return rows(_columns_of(of_part, len(accepted.names)), accepted, max_rows)

    return in_parts(column.values, read, max_rows)


def numbers(column: Column) -> NDArray[np.float64]:
    """A column as it is, of any range; raises InvalidInput with the first that is no number."""
    place, values, first = column
    wrong = next((i for i, value in enumerate(values) if type(value) not in NUMBERS), None)
    if wrong is not None:
        raise InvalidInput([Fault(place.format(first + wrong), "a number", shown(values[wrong]))])
    return np.array(values, np.float64)


def _columns_of(column: Column, width: int) -> list[Column]:
    """The columns of n lists of `width` numbers; raises InvalidInput for any other nesting."""
    place, matrix, first = column
    for i, row in enumerate(matrix, first):
        if type(row) is not list or len(row) != width:
            expected = f"an array of {width} numbers"
            raise InvalidInput([Fault(place.format(i), expected, shown(row))])
    parts = zip(*matrix, strict=True) if len(matrix) else [()] * width
    return [Column(f"{place}[{j}]", part, first) for j, part in enumerate(parts)]


def _short(column: Column, accepted: Accepted, number: int, max_rows: int) -> Column:
    """A long column of an input as an array, its parts read one by one."""
    place, values, _ = column
    if not isinstance(values, LongArray):
        return column

    def read(part: Any, first: int) -> Rows:
        return rows([Column(place, part, first)], accepted.only(number), max_rows)

    return Column(place, in_parts(values, read, max_rows)[:, 0])


def _require_one_length(columns: Sequence[Column], max_rows: int) -> None:
    count = len(columns[0].values)
    for place, values, _ in columns:
        if len(values) != count:
            first = columns[0].place.format("")
            expected = f"{count} rows, as {first} has"
            raise InvalidInput([Fault(place.format(""), expected, str(len(values)))])
    require_length(count, max_rows)


def _numbers(values: Any) -> NDArray[Any]:
    """Values as an array; NaN, which nothing accepts, for what is no number."""
    if isinstance(values, np.ndarray):
        return values
    if not NUMBERS.issuperset(map(type, values)):
        values = [value if type(value) in NUMBERS else np.nan for value in values]
    return np.array(values, np.float64)


def _fault(detail: Any, found: Any) -> Fault:
    return Fault(
        field=path(detail["loc"]),
        expected=EXPECTED.get(detail["type"], detail["msg"]),
        received=received(detail, found),
    )
