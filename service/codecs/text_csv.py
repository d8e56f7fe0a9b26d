"""CSV (RFC 4180): a header line that names the inputs, then a line of numbers a row.

Lines may end in LF or CRLF, cells may be quoted, a byte order mark and empty lines are passed
over. The answer's lines end in LF, and its numbers are the digits of the JSON answer.
"""

import codecs
import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from service.codecs.columns import in_columns, require_length, require_names, to_rows
from service.codecs.faults import MAX_FAULTS
from service.codecs.json_parts import PART
from service.codecs.json_records import blocks
from service.errors import Fault, InvalidInput, MalformedBody
from service.serving.accepted import Accepted
from service.serving.dataplane import Prediction
from service.serving.engines import Rows

LONGEST_CELL = 100  # bytes on average in a line that is longer than a part

_LINE_END = re.compile(rb"\r\n|\n|\r")


def decode(body: bytes, accepted: Accepted, max_rows: int) -> Rows:
    """Float32 [n, k] of a CSV body; raises MalformedBody and InvalidInput."""
    parts = _parts(body, accepted.names)
    try:
        lines = io.StringIO(next(parts, ""), newline="")
        header = [name.strip() for name in next(_lines(lines), [])]
        if not header:
            raise MalformedBody(f"The body is empty: {_example(accepted.names)}")
        require_names(header, accepted)
        found = [_rows(lines.read(), header, accepted, 0)]
        count = len(found[0])
        for text in parts:
            if count > max_rows:
                raise InvalidInput([Fault("body", f"at most {max_rows} rows", f"{count} and more")])
            found.append(_rows(text, header, accepted, count))
            count += len(found[-1])
    except csv.Error as error:
        raise MalformedBody(f"The body is not CSV: {error}; {_example(accepted.names)}") from error
    require_length(count, max_rows)
    return np.concatenate(found)


def encode(answer: Prediction) -> bytes:
    """The answers as CSV, a line a row."""
    answers = answer.answers()
    lines = [",".join(answers).encode()]
    for block in blocks(len(answer.rows)):
        columns = [texts(column[block]) for column in answers.values()]
        lines.append("\n".join(map(",".join, zip(*columns, strict=True))).encode())
    return b"\n".join([*lines, b""])


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


def _parts(body: bytes, inputs: Sequence[str]) -> Iterator[str]:
    """Whole lines, as many as are looked at together, from the first that is not empty."""
    body = body.removeprefix(codecs.BOM_UTF8).lstrip(b"\r\n")
    at = 0
    while at < len(body):
        end = _end_of_line(body, at, inputs)
        try:
            yield body[at:end].decode()
        except UnicodeDecodeError as error:
            place = at + error.start
            raise MalformedBody(
                f"The body is not UTF-8: byte {place} is {body[place]:#04x}; {_example(inputs)}"
            ) from error
        at = end


def _end_of_line(body: bytes, at: int, inputs: Sequence[str]) -> int:
    """Where a line ends, PART bytes from `at` or later; it goes on while a quote is open."""
    longest = PART + LONGEST_CELL * len(inputs)
    end, opened = at, 0
    while found := _LINE_END.search(body, max(end, at + PART)):
        opened += body.count(b'"', end, found.end())
        end = found.end()
        if end - at - PART > longest:
            break
        if opened % 2 == 0:
            return end
    if len(body) - at - PART > longest:
        raise MalformedBody(
            f"The body is not CSV: a line has more than {longest} bytes; {_example(inputs)}"
        )
    return len(body)


def _lines(lines: Iterable[str]) -> Iterator[list[str]]:
    """Those that are not empty, each as its cells."""
    return filter(None, csv.reader(lines, strict=True))


def _rows(text: str, header: list[str], accepted: Accepted, first: int) -> Rows:
    """Float32 [n, k] of lines, which are the rows from `first` on."""
    inputs = accepted.names
    quick = _quick(text, len(header))
    if quick is not None:
        columns, places = [quick[:, header.index(name)] for name in inputs], in_columns(inputs)
        return to_rows(columns, accepted, places, lambda n, row: str(columns[n][row]), first)
    rows = list(_lines(io.StringIO(text, newline="")))
    _require_widths(rows, header, first)
    given = dict(zip(header, zip(*rows, strict=True), strict=True))
    cells = [given[name] for name in inputs]
    columns, places = [numbers(column) for column in cells], in_columns(inputs)
    return to_rows(columns, accepted, places, lambda n, row: cells[n][row] or "nothing", first)


def _quick(text: str, width: int) -> NDArray[np.float64] | None:
    """Float64 [n, width] of lines without quotes, by NumPy's own parser, four times as fast.

    None for whatever it refuses or reads otherwise than the csv module does, which then tells
    what is wrong.
    """
    if '"' in text:
        return None
    text = text.strip("\r\n")
    if not text:
        return np.empty((0, width))
    if not text.isascii():
        return None
    try:
        lines = io.StringIO(text, newline="")
        found = np.loadtxt(lines, np.float64, comments=None, delimiter=",", ndmin=2)
    except ValueError:
        return None
    return found if found.shape[1] == width else None


def _require_widths(rows: list[list[str]], header: list[str], first: int) -> None:
    expected = f"{len(header)} cells, as the header has"
    faults = [
        Fault(f"[{place}]", expected, str(len(row)))
        for place, row in enumerate(rows, first)
        if len(row) != len(header)
    ]
    if faults:
        raise InvalidInput(faults[:MAX_FAULTS])


def _example(inputs: Sequence[str]) -> str:
    line = ",".join("1" for _ in inputs)
    return f"send for example the line '{','.join(inputs)}' and below it '{line}'."
