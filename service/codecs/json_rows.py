"""Validation: from JSON bytes to float32 rows, or to faults that say what was expected.

Strict pydantic: NaN, Infinity, 1e999, true and "1.5" are no numbers here, an unknown field
is refused. The types are made from a version's own inputs, so a model of one input asks
for one.
"""

import json
from collections.abc import Sequence
from functools import partial
from operator import itemgetter
from typing import Annotated, Any, Literal

import numpy as np
import orjson
from numpy.typing import NDArray
from pydantic import ConfigDict, FailFast, Field, TypeAdapter
from typing_extensions import TypedDict

from service.codecs import json_parts, json_quick
from service.codecs.faults import path, received, validated
from service.codecs.json_parts import LongArray
from service.codecs.values import strict_number
from service.errors import Fault, InvalidInput
from service.serving.accepted import Accepted
from service.serving.engines import Rows

Form = Literal["row", "rows", "columns"]


class Schema:
    """The three forms in which rows of the inputs may come; each raises as `_validated` does."""

    def __init__(self, accepted: Accepted, max_rows: int) -> None:
        length = Field(min_length=1, max_length=max_rows)
        numbers = {name: strict_number(bounds) for name, bounds in accepted.by_name.items()}
        columns = {name: _array(number, length) for name, number in numbers.items()}
        one = _record("Row", numbers)
        inputs = accepted.names
        self.inputs = inputs
        self.accepted = accepted
        self._max_rows = max_rows
        self._row = TypeAdapter[Any](one)
        self.row_of = self._row.validator.validate_json  # raises pydantic's ValidationError
        # The numbers of a row in the order of the inputs; of one input, a number alone.
        self.cells = itemgetter(*inputs)
        self._rows = TypeAdapter[Any](_array(one, length))
        self._columns = TypeAdapter[Any](_record("Columns", columns))
        self._numbers = {name: TypeAdapter[Any](column) for name, column in columns.items()}

    def read(self, body: bytes) -> tuple[Rows, Form]:
        """The rows of a body and the form in which they came.

        The forms are told apart by their brackets: only one that is right gets through.
        """
        if b"[" not in body:
            return self.row(body), "row"
        if body.lstrip(b" \t\r\n")[:1] == b"[":
            return self.rows(body), "rows"
        return self.columns(body), "columns"

    def row(self, body: bytes) -> Rows:
        """One object of numbers: float32 [1, k]."""
        row = self._validated(self._row, body)
        return np.array(self.cells(row), np.float32, ndmin=2)

    def rows(self, body: bytes) -> Rows:
        """An array of objects: float32 [n, k]."""
        found = json_parts.loads(body) if len(body) > json_parts.PART else None
        if not isinstance(found, LongArray):
            return self._part(body)
        return self._whole("body", found.each(self._part, self._max_rows))

    def columns(self, body: bytes) -> Rows:
        """An object of arrays, all of one length: float32 [n, k]."""
        if len(body) > json_parts.PART:
            return self._long_columns(json_parts.loads(body))
        taken = json_quick.columns(body, self.accepted, self._max_rows)
        if taken is not None:
            return taken
        return self._joined(self._validated(self._columns, body))

    def _part(self, text: bytes, first: int = 0) -> Rows:
        """An array of objects, of a longer one that from its item `first` on."""
        taken = json_quick.rows(text, self.accepted, self._max_rows)
        if taken is not None:
            return taken
        rows = self._validated(self._rows, text, first)
        return np.array([[row[name] for name in self.inputs] for row in rows], np.float32)

    def _long_columns(self, found: Any) -> Rows:
        """Columns that may be long arrays; what is beside them must be right first."""
        short = orjson.dumps(found, default=lambda _: [0])
        columns = self._validated(self._columns, short)
        for name in self.inputs:
            if isinstance(found[name], LongArray):
                parts = found[name].each(partial(self._column, name), self._max_rows)
                columns[name] = self._whole(name, parts)
        return self._joined(columns)

    def _column(self, name: str, text: bytes, first: int) -> NDArray[np.float64]:
        """Numbers of a column, from its item `first` on."""
        taken = json_quick.numbers(text, self.accepted.by_name[name])
        if taken is not None:
            return taken
        return np.array(self._validated(self._numbers[name], text, first, name), np.float64)

    def _joined(self, columns: Any) -> Rows:
        """Columns as rows; raises InvalidInput when one has another length than the first."""
        first = self.inputs[0]
        faults = [
            Fault(name, f"{len(columns[first])} numbers, as {first} has", str(len(columns[name])))
            for name in self.inputs
            if len(columns[name]) != len(columns[first])
        ]
        if faults:
            raise InvalidInput(faults)
        return np.array([columns[name] for name in self.inputs], np.float32).T.copy()

    def _validated(
        self, adapter: TypeAdapter[Any], text: bytes, first: int = 0, field: str = ""
    ) -> Any:
        """The parsed text; raises MalformedBody for no JSON, InvalidInput for a wrong one.

        With `field` the text is an array of it, with `first` its items are counted from there.
        """

        def fault(detail: Any, found: Any) -> Fault:
            return self._fault(detail, found, first, field)

        example = json.dumps(dict.fromkeys(self.inputs, 1))
        where = f" in the items from {first} on" if first else ""
        return validated(
            adapter.validate_json, text, fault, f"{where}. Send for example {example}."
        )

    def _whole(self, field: str, parts: list[NDArray[Any]]) -> NDArray[Any]:
        """All parts as one; raises InvalidInput when they are more than a request may hold."""
        if sum(map(len, parts)) > self._max_rows:
            most = f"at most {self._max_rows} rows"
            raise InvalidInput([Fault(field, most, f"more than {self._max_rows}")])
        return np.concatenate(parts)

    def _fault(self, detail: Any, found: Any, first: int, field: str) -> Fault:
        place = detail["loc"]
        if place and isinstance(place[0], int):
            place = (place[0] + first, *place[1:])
        place = (field, *place) if field else place
        counted = detail["type"] in {"too_long", "too_short"}
        return Fault(
            field=path(place),
            expected=self._expected(detail, place),
            received=str(detail["ctx"]["actual_length"]) if counted else received(detail, found),
        )

    def _expected(self, detail: Any, place: Sequence[str | int]) -> str:
        if detail["type"] in OF_A_NUMBER:
            name = next(part for part in place if isinstance(part, str))
            return self.accepted.expected[name]
        known, most = ", ".join(self.inputs), self._max_rows
        expected: str = EXPECTED.get(detail["type"], detail["msg"])
        return expected.format(known=known, most=most)

    @property
    def forms(self) -> tuple[TypeAdapter[Any], TypeAdapter[Any], TypeAdapter[Any]]:
        """What validates a row, rows and columns, for the document that describes them."""
        return self._row, self._rows, self._columns


def schema(accepted: Accepted, max_rows: int) -> Schema:
    """The schema of these inputs; building one takes a millisecond, so it is kept with them."""
    found: Schema | None = accepted.schemas.get(max_rows)
    if found is None:
        found = accepted.schemas[max_rows] = Schema(accepted, max_rows)
    return found


def _array(of: Any, length: Any) -> Any:
    """A list that stops at its first wrong item: one bad upload must not cost seconds."""
    return Annotated[list[of], length, FailFast()]


def _record(name: str, fields: dict[str, Any]) -> Any:
    make: Any = TypedDict  # mypy wants the fields spelled out; here they are the model's
    record = make(name, fields)
    record.__pydantic_config__ = ConfigDict(extra="forbid")
    return record


OF_A_NUMBER = {
    "missing",
    "float_type",
    "finite_number",
    "greater_than_equal",
    "less_than_equal",
}
EXPECTED = {
    "extra_forbidden": "no such field, only {known}",
    "dict_type": "an object with {known}",
    "list_type": "an array, as another field is one (columns)",
    "too_long": "at most {most} rows",
    "too_short": "at least one row",
}
