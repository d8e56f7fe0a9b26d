"""Validation: from JSON bytes to float32 rows, or to faults that say what was expected.

Strict pydantic: NaN, Infinity, 1e999, true and "1.5" are no numbers here, an unknown field
is refused. The types are made from a version's own inputs, so a model of one input asks
for one.
"""

import json
from collections.abc import Callable, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import ConfigDict, FailFast, Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from service.codecs import json_quick
from service.errors import Fault, InvalidInput, MalformedBody
from service.serving.engines import Rows

LARGEST = 1000.0  # grams a serving: nobody eats more, and float32 is exact to 0.1 mg there
SHOWN = 60  # characters of a wrong value that are repeated back
MAX_FAULTS = 10  # faults told at once
MAX_LISTED = 1000  # errors that pydantic is asked to list; a million would take it ten seconds

Gram = Annotated[float, Field(strict=True, ge=0, le=LARGEST, allow_inf_nan=False)]
GRAM = f"a number from 0 to {LARGEST:g} (grams a serving)"

Form = Literal["row", "rows", "columns"]


class Schema:
    """The three forms in which rows of the inputs may come; each raises as `_validated` does."""

    def __init__(self, inputs: tuple[str, ...], max_rows: int) -> None:
        length = Field(min_length=1, max_length=max_rows)
        one = _record("Row", dict.fromkeys(inputs, Gram))
        column = _array(Gram, length)
        self.inputs = inputs
        self._max_rows = max_rows
        self._few = len(inputs) + MAX_LISTED  # fields of one row that are looked at
        self._row = TypeAdapter[Any](one)
        self._row_of = self._row.validator.validate_json
        first, *rest = inputs
        self._cells = itemgetter(*inputs) if rest else lambda row: (row[first],)
        self._rows = TypeAdapter[Any](_array(one, length))
        self._columns = TypeAdapter[Any](_record("Columns", dict.fromkeys(inputs, column)))

    def read(self, body: bytes) -> tuple[Rows, Form]:
        """The rows of a body and the form in which they came.

        The forms are told apart by their brackets: only one that is right gets through.
        """
        if b"[" not in body:
            if body.count(b":") <= self._few:
                try:
                    return np.array(self._cells(self._row_of(body)), np.float32, ndmin=2), "row"
                except ValidationError:
                    pass  # which is worded below
            return self.row(body), "row"
        if body.lstrip(b" \t\r\n")[:1] == b"[":
            return self.rows(body), "rows"
        return self.columns(body), "columns"

    def row(self, body: bytes) -> Rows:
        """One object of numbers: float32 [1, k]."""
        row = self._validated(self._row, body)
        return np.array(self._cells(row), np.float32, ndmin=2)

    def rows(self, body: bytes) -> Rows:
        """An array of objects: float32 [n, k]."""
        taken = json_quick.rows(body, self.inputs, self._max_rows, LARGEST)
        if taken is not None:
            return taken
        rows = self._validated(self._rows, body)
        return np.array([[row[name] for name in self.inputs] for row in rows], np.float32)

    def columns(self, body: bytes) -> Rows:
        """An object of arrays, all of one length: float32 [n, k]."""
        taken = json_quick.columns(body, self.inputs, self._max_rows, LARGEST)
        if taken is not None:
            return taken
        columns = self._validated(self._columns, body)
        first = self.inputs[0]
        faults = [
            Fault(name, f"{len(columns[first])} numbers, as {first} has", str(len(columns[name])))
            for name in self.inputs
            if len(columns[name]) != len(columns[first])
        ]
        if faults:
            raise InvalidInput(faults)
        return np.array([columns[name] for name in self.inputs], np.float32).T.copy()

    def _validated(self, adapter: TypeAdapter[Any], body: bytes) -> Any:
        """The parsed body; raises MalformedBody for no JSON, InvalidInput for a wrong one."""
        self._require_few_fields(body)
        try:
            return adapter.validate_json(body)
        except ValidationError as error:
            details = listed(error)
        if details[0]["type"] == "json_invalid":
            raise MalformedBody(
                f"The body is not JSON: {details[0]['ctx']['error']}. "
                f"Send for example {json.dumps(dict.fromkeys(self.inputs, 1))}."
            )
        raise InvalidInput([self._fault(detail) for detail in details])

    def _require_few_fields(self, body: bytes) -> None:
        """Raise InvalidInput for far more fields than rows can have, before each is looked at."""
        most = len(self.inputs) * (self._max_rows if b"{" in body[1:] else 1) + MAX_LISTED
        if body.count(b":") > most:
            expected = f"objects with {', '.join(self.inputs)}"
            raise InvalidInput([Fault("body", expected, f"more than {most} fields")])

    def _fault(self, detail: Any) -> Fault:
        expectation = EXPECTED.get(detail["type"], _as_told)
        return Fault(
            field=path(detail["loc"]),
            expected=expectation(self, detail),
            received=received(detail),
        )

    @property
    def forms(self) -> tuple[TypeAdapter[Any], TypeAdapter[Any], TypeAdapter[Any]]:
        """What validates a row, rows and columns, for the document that describes them."""
        return self._row, self._rows, self._columns

    @property
    def max_rows(self) -> int:
        """The most rows a request may hold."""
        return self._max_rows


@lru_cache(maxsize=64)
def schema(inputs: tuple[str, ...], max_rows: int) -> Schema:
    """The schema of these inputs; building one takes a millisecond, so they are kept."""
    return Schema(inputs, max_rows)


def _array(of: Any, length: Any) -> Any:
    """A list that stops at its first wrong item: one bad upload must not cost seconds."""
    return Annotated[list[of], length, FailFast()]


def _record(name: str, fields: dict[str, Any]) -> Any:
    make: Any = TypedDict  # mypy wants the fields spelled out; here they are the model's
    record = make(name, fields)
    record.__pydantic_config__ = ConfigDict(extra="forbid")
    return record


def listed(error: ValidationError) -> list[Any]:
    """The first errors of a validation; raises InvalidInput with one fault for very many.

    Pydantic lists all or none, each with a copy of its place.
    """
    count = error.error_count()
    if count > MAX_LISTED:
        raise InvalidInput([Fault("body", "what its schema allows", f"{count} wrong fields")])
    return error.errors(include_url=False)[:MAX_FAULTS]


def path(location: Sequence[str | int]) -> str:
    """(3, "sugar") as [3].sugar; the whole body is `body`."""
    parts = [f"[{part}]" if isinstance(part, int) else f".{part[:SHOWN]}" for part in location]
    return "".join(parts).removeprefix(".") or "body"


def received(detail: Any) -> str:
    """The wrong value of one of pydantic's errors."""
    if detail["type"] == "missing":
        return "nothing"
    if detail["type"] in {"too_long", "too_short"}:
        return str(detail["ctx"]["actual_length"])
    return shown(detail["input"])


def shown(value: Any) -> str:
    """A wrong value, as much of it as fits an error."""
    try:
        text = json.dumps(value.item() if isinstance(value, np.generic) else value)
    except RecursionError:
        return "arrays in arrays beyond measure"
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


Expectation = Callable[[Schema, Any], str]


def _gram(_: Schema, __: Any) -> str:
    return GRAM


def _as_told(_: Schema, detail: Any) -> str:
    return str(detail["msg"])


EXPECTED: dict[str, Expectation] = {
    "missing": _gram,
    "float_type": _gram,
    "finite_number": _gram,
    "greater_than_equal": _gram,
    "less_than_equal": _gram,
    "extra_forbidden": lambda schema, _: f"no such field, only {', '.join(schema.inputs)}",
    "dict_type": lambda schema, _: f"an object with {', '.join(schema.inputs)}",
    "list_type": lambda _, __: "an array, as another field is one (columns)",
    "too_long": lambda schema, _: f"at most {schema.max_rows} rows",
    "too_short": lambda _, __: "at least one row",
}
