"""CSV (RFC 4180): a header line that names the inputs, then a line of numbers a row.

Lines may end in LF or CRLF, cells may be quoted, a byte order mark and empty lines are passed
over. The answer's lines end in LF, and its numbers are the digits of the JSON answer.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from service.codecs.columns import require_length, require_names, to_rows
from service.codecs.json_rows import MAX_FAULTS
from service.errors import Fault, InvalidInput, MalformedBody
from service.serving.dataplane import ANSWERS, Prediction
from service.serving.engines import Rows


def decode(body: bytes, inputs: tuple[str, ...], max_rows: int) -> Rows:
    """Float32 [n, k] of a CSV body; raises MalformedBody and InvalidInput."""
    text = _text(body, inputs)
    lines = _lines(text)
    try:
        header = [name.strip() for name in next(lines, [])]
        if not header:
            raise MalformedBody(f"The body is empty: {_example(inputs)}")
        require_names(header, inputs)
        quick = _quick(text, len(header))
        if quick is not None:
            require_length(len(quick), max_rows)
            columns = dict(zip(header, quick.T, strict=True))
            return to_rows(columns, inputs, lambda name, row: str(columns[name][row]))
        rows = list(islice(lines, max_rows + 1))
        count = len(rows) + sum(1 for _ in lines)
    except csv.Error as error:
        raise MalformedBody(f"The body is not CSV: {error}; {_example(inputs)}") from error
    require_length(count, max_rows)
    _require_widths(rows, header)
    cells = dict(zip(header, zip(*rows, strict=True), strict=True))
    columns = {name: numbers(cells[name]) for name in header}
    return to_rows(columns, inputs, lambda name, row: cells[name][row] or "nothing")


def encode(answer: Prediction) -> bytes:
    """The answers as CSV, a line a row."""
    columns = [texts(getattr(answer, name)) for name in ANSWERS]
    lines = map(",".join, zip(*columns, strict=True))
    return "\n".join([",".join(ANSWERS), *lines, ""]).encode()


def texts(column: NDArray[Any]) -> list[str]:
    """Numbers or truth values in the fewest digits that give them back, as JSON has them."""
    return orjson.dumps(column, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1].decode().split(",")


def numbers(cells: Sequence[str]) -> NDArray[np.float64]:
    """Float64 [n], NaN where a cell is no decimal number: float() alone would take 1_000 and ٣."""
    together = "".join(cells)
    if together.isascii() and "_" not in together:
        try:
            return np.array(list(map(float, cells)), np.float64)
        except ValueError:
            pass
    return np.array([_number(cell) for cell in cells], np.float64)


def _number(cell: str) -> float:
    try:
        return float(cell) if cell.isascii() and "_" not in cell else np.nan
    except ValueError:
        return np.nan


def _text(body: bytes, inputs: tuple[str, ...]) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise MalformedBody(
            f"The body is not UTF-8: byte {error.start} is {body[error.start]:#04x}; "
            f"{_example(inputs)}"
        ) from error


def _lines(text: str) -> Iterator[list[str]]:
    """The lines that are not empty, each as its cells."""
    return filter(None, csv.reader(io.StringIO(text, newline=""), strict=True))


def _quick(text: str, width: int) -> NDArray[np.float64] | None:
    """Float64 [n, width] of lines without quotes, by NumPy's own parser, four times as fast.

    None for whatever it refuses or reads otherwise than the csv module does, which then tells
    what is wrong.
    """
    if '"' in text:
        return None
    stream = io.StringIO(text, newline="")
    while not stream.readline().strip("\r\n"):
        pass  # empty lines before the header
    rest = stream.read().strip("\r\n")
    if not rest:
        return np.empty((0, width))
    if not rest.isascii():
        return None
    try:
        lines = io.StringIO(rest, newline="")
        found = np.loadtxt(lines, np.float64, comments=None, delimiter=",", ndmin=2)
    except ValueError:
        return None
    return found if found.shape[1] == width else None


def _require_widths(rows: list[list[str]], header: list[str]) -> None:
    expected = f"{len(header)} cells, as the header has"
    faults = [
        Fault(f"[{place}]", expected, str(len(row)))
        for place, row in enumerate(rows)
        if len(row) != len(header)
    ]
    if faults:
        raise InvalidInput(faults[:MAX_FAULTS])


def _example(inputs: tuple[str, ...]) -> str:
    line = ",".join("1" for _ in inputs)
    return f"send for example the line '{','.join(inputs)}' and below it '{line}'."
