"""Tables: named columns from a CSV or Parquet file, and cells that have to be numbers."""

import csv
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.manifest import LARGEST
from models.numbers import decimal

Table = Mapping[str, Iterable[object]]


class DataError(Exception):
    """The data cannot be trained on; its text names the file, the row and the column."""


@dataclass(frozen=True)
class Origin:
    """A table as it was found, before rows and inputs are chosen.

    `columns` says what an input is called in the table, where that differs. `faults` maps what
    is wrong with some rows, worded to follow the word "rows", to which they are, bool [n].
    `per` is the amount of food that the figures are of.
    """

    path: Path
    table: Table
    columns: Mapping[str, str] = field(default_factory=dict)
    faults: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)
    per: str = "a serving"


def read(path: Path) -> Table:
    """The columns of a CSV or Parquet file by name; raises DataError where it cannot be read."""
    if not path.is_file():
        raise DataError(f"{path} does not exist: give 'cereals', 'usda' or a CSV or Parquet file.")
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty: expected a header line and rows of numbers.")
    return _read_parquet(path) if path.suffix in {".parquet", ".pq"} else _read_csv(path)


def _read_csv(path: Path) -> Table:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            header, *rows = list(csv.reader(file)) or [[]]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is no CSV file in UTF-8: {error}.") from error
    rows = [row for row in rows if row]
    for number, row in enumerate(rows, 1):
        if len(row) != len(header):
            raise DataError(
                f"{path}, row {number}: expected {len(header)} cells as in the header, "
                f"found {len(row)}."
            )
    names = [name.strip() for name in header]
    for name in names:
        if names.count(name) > 1:
            raise DataError(f"{path} has more than one column '{name}'; rename all but one.")
    columns: list[list[object]] = [[row[i].strip() for row in rows] for i in range(len(names))]
    return dict(zip(names, columns, strict=True))


def _read_parquet(path: Path) -> Table:
    import pyarrow as pa  # noqa: PLC0415  pyarrow takes a while to load, and few need it
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        table: Table = pq.read_table(path).to_pydict()
    except pa.ArrowException as error:
        raise DataError(f"{path} is no Parquet file: {error}") from error
    return table


def require(path: Path, table: Table, header: str) -> None:
    """Raise DataError, naming the columns that are there, when `header` is none of them."""
    if header not in table:
        raise DataError(
            f"{path} has no column '{header}'; it has: {', '.join(table)}. "
            "Name it with --target COLUMN or --column INPUT=COLUMN."
        )


def numbers(path: Path, header: str, cells: Iterable[object]) -> list[float]:
    """The cells as floats, NaN for an empty one."""
    return [_number(path, header, row, cell) for row, cell in enumerate(cells, 1)]


def _number(path: Path, header: str, row: int, cell: object) -> float:
    if cell is None or cell == "":
        return math.nan
    number = decimal(cell.strip(" \t")) if isinstance(cell, str) else _float(cell)
    if number is None or abs(number) > LARGEST:
        raise DataError(
            f"{path}, row {row}, column '{header}': expected a number, found {cell!r}. "
            "Correct the cell, or leave it empty to leave the row out."
        )
    return number


def _float(cell: object) -> float | None:
    try:
        return float(cell)  # type: ignore[arg-type]  # whatever it is, it is tried
    except (TypeError, ValueError, OverflowError):
        return None
