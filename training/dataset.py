"""The dataset: rows of inputs in grams a serving and the calories they come with."""

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.manifest import sha256

CEREALS = Path(__file__).parent / "data" / "cereals.csv"
CEREALS_COLUMNS = {"sugar": "sugars"}
MIN_ROWS = 20  # ten folds of two rows: below that, held-out errors say nothing


class DataError(Exception):
    """The data cannot be trained on; its text names the file, the row and the column."""


@dataclass(frozen=True)
class Dataset:
    """`rows` is float64 [n, k] in the order of `inputs`, `calories` float64 [n]."""

    source: str
    sha256: str
    inputs: tuple[str, ...]
    names: tuple[str, ...]
    rows: NDArray[np.float64]
    calories: NDArray[np.float64]
    left_out: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.calories)

    def of(self, inputs: Sequence[str]) -> "Dataset":
        """The same rows with these inputs only."""
        columns = [self.inputs.index(name) for name in inputs]
        return replace(self, inputs=tuple(inputs), rows=self.rows[:, columns])


def load(
    source: str, inputs: Sequence[str], target: str = "calories", columns: Mapping[str, str] = {}
) -> Dataset:
    """Read `cereals` (the table of this repo) or a CSV or Parquet file.

    `columns` says what an input is called in the file, where that differs. A row with an
    empty cell is left out and named in `left_out`. Raises DataError for a file that cannot
    be read, a missing column, a cell that is no finite number, and too few rows.
    """
    builtin = source == "cereals"
    path = CEREALS if builtin else Path(source)
    table = _read(path)
    headers = [({**CEREALS_COLUMNS, **columns} if builtin else columns).get(i, i) for i in inputs]
    for header in (*headers, target):
        _require(path, table, header)
    cells = np.array([_numbers(path, header, table[header]) for header in (*headers, target)]).T
    names = [str(name) for name in table.get("name", [f"row {i + 1}" for i in range(len(cells))])]
    whole = ~np.isnan(cells).any(axis=1)
    left_out = tuple(
        f"{names[i]} (row {i + 1}) is left out: it has no "
        + " and no ".join(np.array([*headers, target])[np.isnan(cells[i])])
        for i in np.flatnonzero(~whole)
    )
    if whole.sum() < MIN_ROWS:
        raise DataError(
            f"{path} has {whole.sum()} complete rows; at least {MIN_ROWS} are needed to train "
            "and to measure the error on rows that were held out."
        )
    return Dataset(
        source=source if builtin else path.name,
        sha256=sha256(path.read_bytes()),
        inputs=tuple(inputs),
        names=tuple(name for name, kept in zip(names, whole, strict=True) if kept),
        rows=cells[whole, :-1],
        calories=cells[whole, -1],
        left_out=left_out,
    )


Table = dict[str, list[object]]


def _read(path: Path) -> Table:
    if not path.is_file():
        raise DataError(f"{path} does not exist: give 'cereals' or a CSV or Parquet file.")
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


def _require(path: Path, table: Table, header: str) -> None:
    if header not in table:
        raise DataError(
            f"{path} has no column '{header}'; it has: {', '.join(table)}. "
            "Name it with --target COLUMN or --column INPUT=COLUMN."
        )


def _numbers(path: Path, header: str, cells: Sequence[object]) -> list[float]:
    """The cells as floats, NaN for an empty one."""
    return [_number(path, header, row, cell) for row, cell in enumerate(cells, 1)]


def _number(path: Path, header: str, row: int, cell: object) -> float:
    if cell is None or cell == "":
        return math.nan
    try:
        number = float(cell)  # type: ignore[arg-type]  # whatever it is, it is tried
    except (TypeError, ValueError):
        number = math.inf
    if math.isinf(number) or (math.isnan(number) and isinstance(cell, str)):
        raise DataError(
            f"{path}, row {row}, column '{header}': expected a number, found {cell!r}. "
            "Correct the cell, or leave it empty to leave the row out."
        )
    return number
