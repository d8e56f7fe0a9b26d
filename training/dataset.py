"""The dataset: rows of inputs in grams and the calories they come with."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.files import shown
from models.manifest import sha256
from training import usda
from training.tables import DataError, Origin, numbers, read, require

CEREALS = Path(__file__).parent / "data" / "cereals.csv"
MIN_ROWS = 20  # ten folds of two rows: below that, held-out errors say nothing


@dataclass(frozen=True)
class LeftOut:
    """The rows that one fault keeps out of the dataset."""

    fault: str
    names: tuple[str, ...]

    def __str__(self) -> str:
        """A sentence with the count, the fault and the first three names."""
        rows = "1 row" if len(self.names) == 1 else f"{len(self.names):,} rows"
        more = "; …" if len(self.names) > 3 else ""
        return f"left out: {rows} {self.fault}: {'; '.join(self.names[:3])}{more}"


@dataclass(frozen=True)
class Dataset:
    """`rows` is float64 [n, k] in g in the order of `inputs`, `calories` float64 [n] in kcal.

    Both are `per` so much food: "a serving" or "per 100 g".
    """

    source: str
    sha256: str
    inputs: tuple[str, ...]
    names: tuple[str, ...]
    rows: NDArray[np.float64]
    calories: NDArray[np.float64]
    left_out: tuple[LeftOut, ...]
    per: str

    def __len__(self) -> int:
        return len(self.calories)

    def of(self, inputs: Sequence[str]) -> "Dataset":
        """The same rows with these inputs only."""
        columns = [self.inputs.index(name) for name in inputs]
        return replace(self, inputs=tuple(inputs), rows=self.rows[:, columns])


def load(
    source: str, inputs: Sequence[str], target: str = "calories", columns: Mapping[str, str] = {}
) -> Dataset:
    """Read one of `SOURCES`, or a CSV or Parquet file.

    `columns` says what an input is called in the file, where that differs. A row with an
    empty cell or another fault is left out and told in `left_out`. Raises DataError for a file
    that cannot be read, a missing column, a cell that is no finite number, and too few rows.
    """
    found = SOURCES[source]() if source in SOURCES else Origin(Path(source), read(Path(source)))
    path, table = found.path, found.table
    headers = [*({**found.columns, **columns}.get(i, i) for i in inputs), target]
    for header in headers:
        require(path, table, header)
    cells = np.array([numbers(path, header, table[header]) for header in headers]).T
    empty = {f"without {h}": np.isnan(cells[:, i]) for i, h in enumerate(headers)}
    names = [str(name) for name in table.get("name", [f"row {i + 1}" for i in range(len(cells))])]
    kept, left_out = _sift(names, {**found.faults, **empty})
    if kept.sum() < MIN_ROWS:
        raise DataError(
            f"{path} has {kept.sum()} complete rows; at least {MIN_ROWS} are needed to train "
            "and to measure the error on rows that were held out."
        )
    if len(np.unique(cells[kept, -1])) < 2:
        raise DataError(
            f"{path} has the same {target} in every row: there is nothing to learn from it."
        )
    return Dataset(
        source=source if source in SOURCES else shown(path.name),
        sha256=sha256(path.read_bytes()),
        inputs=tuple(inputs),
        names=_chosen(names, kept),
        rows=cells[kept, :-1],
        calories=cells[kept, -1],
        left_out=left_out,
        per=found.per,
    )


def _sift(
    names: Sequence[str], faults: Mapping[str, NDArray[np.bool_]]
) -> tuple[NDArray[np.bool_], tuple[LeftOut, ...]]:
    """The rows without a fault, bool [n]; a row with several is told under the first."""
    kept = np.ones(len(names), bool)
    left_out = []
    for fault, rows in faults.items():
        if (here := rows & kept).any():
            left_out.append(LeftOut(fault, _chosen(names, here)))
        kept &= ~rows
    return kept, tuple(left_out)


def _chosen(names: Sequence[str], rows: NDArray[np.bool_]) -> tuple[str, ...]:
    return tuple(name for name, chosen in zip(names, rows, strict=True) if chosen)


def _cereals() -> Origin:
    return Origin(CEREALS, read(CEREALS), columns={"sugar": "sugars"})


SOURCES: Mapping[str, Callable[[], Origin]] = {
    "cereals": _cereals,
    "usda": usda.by_serving,
    "usda-100g": usda.by_100g,
}
