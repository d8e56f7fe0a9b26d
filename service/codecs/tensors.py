"""Tensors: named columns of JSON numbers, or of raw bytes, as float32 rows of grams.

For the dialects that name tensors. A column is looked at as a whole, one pass over its types
and one over its range; only one that is wrong is searched for the place.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from service.codecs.json_rows import GRAM, LARGEST, MAX_FAULTS, listed, path, shown
from service.errors import Fault, InvalidInput, MalformedBody
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


class Column(NamedTuple):
    """One number a row; `place` tells where the i-th came from: "instances[{}].sugar"."""

    place: str
    values: Sequence[Any] | NDArray[Any]


def envelope(shape: TypeAdapter[Any], body: bytes) -> Any:
    """The body as `shape` describes it, fields that it does not name left out.

    Raises MalformedBody for what is no JSON, InvalidInput for JSON of another shape.
    """
    try:
        return shape.validate_python(orjson.loads(body))
    except orjson.JSONDecodeError as error:
        raise MalformedBody(f"JSON Parse error: {error}.") from error
    except ValidationError as error:
        details = listed(error)
    raise InvalidInput([_fault(detail) for detail in details])


def rows(columns: Sequence[Column], max_rows: int) -> Rows:
    """Columns of one length as float32 [n, k], in their order.

    Raises InvalidInput when their lengths differ, there are none or too many rows, or
    something is no number from 0 to 1000.
    """
    _require_one_length(columns, max_rows)
    if not all(map(_are_numbers, columns)):
        raise InvalidInput(_faults(columns))
    table = np.array([column.values for column in columns], np.float64)
    if not ((table >= 0) & (table <= LARGEST)).all():
        raise InvalidInput(_faults(columns))
    return table.T.astype(np.float32, order="C")


def columns_of(place: str, matrix: Sequence[Any], width: int) -> list[Column]:
    """The columns of n lists of `width` numbers; raises InvalidInput for any other nesting."""
    for i, row in enumerate(matrix):
        if type(row) is not list or len(row) != width:
            expected = f"an array of {width} numbers"
            raise InvalidInput([Fault(place.format(i), expected, shown(row))])
    parts = zip(*matrix, strict=True) if matrix else [()] * width
    return [Column(f"{place}[{j}]", part) for j, part in enumerate(parts)]


def _require_one_length(columns: Sequence[Column], max_rows: int) -> None:
    count = len(columns[0].values)
    for place, values in columns:
        if len(values) != count:
            first = columns[0].place.format("")
            expected = f"{count} rows, as {first} has"
            raise InvalidInput([Fault(place.format(""), expected, str(len(values)))])
    if not 1 <= count <= max_rows:
        raise InvalidInput([Fault("body", f"1 to {max_rows} rows", str(count))])


def _are_numbers(column: Column) -> bool:
    return isinstance(column.values, np.ndarray) or NUMBERS.issuperset(map(type, column.values))


def _faults(columns: Sequence[Column]) -> list[Fault]:
    """The first wrong number of each column."""
    first = (next(_wrong(column), None) for column in columns)
    return [fault for fault in first if fault][:MAX_FAULTS]


def _wrong(column: Column) -> Any:
    numbers = NUMBERS if not isinstance(column.values, np.ndarray) else None
    for i, value in enumerate(column.values):
        if (numbers and type(value) not in numbers) or not 0 <= value <= LARGEST:
            yield Fault(column.place.format(i), GRAM, shown(value))


def _fault(detail: Any) -> Fault:
    received = "nothing" if detail["type"] == "missing" else shown(detail["input"])
    return Fault(
        field=path(detail["loc"]),
        expected=EXPECTED.get(detail["type"], detail["msg"]),
        received=received,
    )
