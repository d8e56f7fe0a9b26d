"""Tables: columns of a CSV or Parquet file, read by pyarrow, and cells that have to be numbers."""

import csv as lines
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pyarrow import csv

from models.manifest import LARGEST
from models.numbers import decimal

Floats = NDArray[np.float64]

BLOCK = 1 << 20  # bytes whose cells say what a column of a CSV file holds
DELIMITERS = ",;\t|"
DECIMAL_COMMA = re.compile(r"(^|[;\t|])-?\d+,\d+([;\t|]|$)", re.MULTILINE)
MISSING = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None")  # as other programs write it
KINDS = {
    "numbers": (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal),
    "true and false": (pa.types.is_boolean,),
    "dates": (pa.types.is_temporal,),
    "nothing": (pa.types.is_null,),
}


class DataError(Exception):
    """The data cannot be trained on; its text names the file, the row and the column."""


@dataclass(frozen=True)
class Table:
    """A table as it was found, before rows and inputs are chosen.

    `kinds` maps each header to what the first cells under it are: "numbers" or another of
    `KINDS`, else "text". `read` gives columns by their headers as a pyarrow Table. `faults` maps
    what is wrong with some rows, worded to follow the word "rows", to which they are, bool [n].
    """

    path: Path
    kinds: Mapping[str, str]
    read: Callable[[Sequence[str]], Any]
    faults: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)

    def numbers(self, headers: Sequence[str]) -> Floats:
        """The columns as float64 [n, k], NaN for a missing cell; raises DataError."""
        for header in headers:
            self._require(header)
        columns = self.read(list(dict.fromkeys(headers)))
        cells = np.empty((columns.num_rows, len(headers)))
        for place, header in enumerate(headers):
            cells[:, place] = _numbers(self.path, header, columns[header])
        return cells

    def texts(self, header: str) -> list[str]:
        """The cells of a column as texts."""
        cells = self.read([header])[header].to_pylist()
        return ["" if cell is None else str(cell) for cell in cells]

    def _require(self, header: str) -> None:
        if header not in self.kinds:
            shown = ", ".join([*self.kinds][:20]) + (", …" if len(self.kinds) > 20 else "")
            raise DataError(
                f"{self.path} has no column '{header}'; it has: {shown}. "
                "Name it with --target COLUMN or --column INPUT=COLUMN."
            )


def in_memory(
    path: Path, columns: Mapping[str, object], faults: Mapping[str, NDArray[np.bool_]]
) -> Table:
    """A table of columns that were made from the file at `path`."""
    table = pa.table(columns)
    return Table(path, _kinds(path, table.schema), table.select, faults)


def open_table(path: Path) -> Table:
    """The table in a CSV or Parquet file; raises DataError where it cannot be read."""
    if not path.is_file():
        raise DataError(
            f"{path} does not exist: give a CSV or Parquet file, its card, or the name of a table "
            "that ships (python -m training --help)."
        )
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty: expected a header line and rows of numbers.")
    return _parquet(path) if path.suffix in {".parquet", ".pq"} else _csv(path)


def _csv(path: Path) -> Table:
    """Cells between commas, semicolons, tabs or bars, whichever the header has most of."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = file.readline(BLOCK)
            sample = header + file.read(BLOCK)
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is no CSV file in UTF-8: {error}.") from error
    if not header.strip() or "\0" in header:
        raise DataError(f"{path} is no CSV file: expected the columns' names in its first line.")
    delimiter = max(DELIMITERS, key=re.sub('"[^"]*"', "", header).count)
    names = _named(next(lines.reader([header], delimiter=delimiter)))
    if all(decimal(name) is not None for name in names):
        raise DataError(
            f"{path}: expected the columns' names in the first line, found numbers: "
            f"{', '.join(names[:3])}. Put a line with names before them."
        )
    comma = delimiter != "," and bool(DECIMAL_COMMA.search(sample))

    def options(headers: Sequence[str] | None) -> dict[str, Any]:
        return {
            "read_options": csv.ReadOptions(
                use_threads=False, block_size=BLOCK, column_names=names, skip_rows=1
            ),
            "parse_options": csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
            "convert_options": csv.ConvertOptions(
                include_columns=headers,
                null_values=MISSING,
                strings_can_be_null=True,
                decimal_point="," if comma else ".",
            ),
        }

    def columns(headers: Sequence[str]) -> Any:
        try:
            return csv.read_csv(path, **options(headers))
        except (pa.ArrowException, UnicodeDecodeError) as error:
            raise _misread(path, error) from error

    try:
        first = csv.open_csv(path, **options(None)).read_next_batch()
    except (pa.ArrowException, StopIteration) as error:
        if not re.search("^$|Empty CSV|Could not skip", str(error)):
            raise _misread(path, error) from error
        kinds = _kinds(path, pa.schema([(name, pa.null()) for name in names]))
        return Table(path, kinds, lambda wanted: pa.table({name: [] for name in wanted}))
    kinds = {
        name: "numbers" if kind == "text" and _all_numbers(first[name].to_pylist()) else kind
        for name, kind in _kinds(path, first.schema).items()
    }
    return Table(path, kinds, columns)


def _misread(path: Path, error: Exception) -> DataError:
    """What pyarrow says, in fewer words; it counts the header as the first row."""
    said = re.search(r"Row #(\d+): Expected (\d+) columns, got (\d+)", str(error))
    if not said:
        return DataError(f"{path} is no CSV file in UTF-8: {str(error)[:200]}")
    row, expected, found = map(int, said.groups())
    return DataError(
        f"{path}, row {row - 1}: expected {expected} cells as in the header, found {found}."
    )


def _named(names: Sequence[str]) -> list[str]:
    return [name.strip() or f"column {number}" for number, name in enumerate(names, 1)]


def _parquet(path: Path) -> Table:
    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path} is no Parquet file: {error}") from error

    def columns(headers: Sequence[str]) -> Any:
        try:
            return pq.read_table(path, columns=headers, partitioning=None)
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{path} cannot be read: {error}") from error

    return Table(path, _kinds(path, file.schema_arrow), columns)


def _kinds(path: Path, schema: Any) -> Mapping[str, str]:
    """Which kind of cells is under each header; raises DataError where two are the same."""
    names, times = Counter(schema.names).most_common(1)[0] if schema.names else ("", 0)
    if times > 1:
        raise DataError(f"{path} has more than one column '{names}'; rename all but one.")
    return {each.name: _kind(each.type) for each in schema}


def _kind(type_: Any) -> str:
    fits = (kind for kind, tests in KINDS.items() if any(test(type_) for test in tests))
    return next(fits, "text")


def _numbers(path: Path, header: str, cells: Any) -> Floats:
    """A column as float64 [n], NaN for a missing cell; raises DataError."""
    kind = _kind(cells.type)
    if kind in {"text", "dates"}:
        rows = enumerate(cells.to_pylist(), 1)
        return np.array([_number(path, header, row, cell) for row, cell in rows], np.float64)
    if kind == "true and false":
        cells = cells.cast(pa.uint8())
    found = np.asarray(cells.cast(pa.float64(), safe=False).to_numpy(), np.float64)
    missing = np.asarray(cells.is_null().to_numpy(), bool) | np.isnan(found)
    if (wrong := ~missing & ~(np.abs(found) <= LARGEST)).any():
        row = int(wrong.argmax())
        raise _no_number(path, header, row + 1, cells[row].as_py())
    return np.where(missing, np.nan, found)


def _all_numbers(cells: Sequence[object]) -> bool:
    """Whether these texts are numbers, but for spaces around some."""
    texts = [str(cell).strip() for cell in cells]
    return all(text in MISSING or decimal(text) is not None for text in texts)


def _number(path: Path, header: str, row: int, cell: object) -> float:
    """The number that a text is."""
    if cell is None or str(cell).strip() in MISSING:
        return np.nan
    number = decimal(str(cell).strip())
    if number is None or abs(number) > LARGEST:
        raise _no_number(path, header, row, cell)
    return number


def _no_number(path: Path, header: str, row: int, cell: object) -> DataError:
    shown = f"'{cell}'" if len(f"{cell}") <= 40 else f"'{str(cell)[:40]}…'"
    return DataError(
        f"{path}, row {row}, column '{header}': expected a finite number of float32, found "
        f"{shown}. Correct the cell, leave it empty, or leave the column out with --inputs."
    )
