"""The dataset: rows of inputs and the target that they come with, and what each column is."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.files import shown
from models.manifest import Input, Output
from training import usda
from training.card import Changes, TableCard, find
from training.columns import input_of, inputs_of, output_of, telling
from training.tables import DataError, Floats, Table, open_table

MIN_ROWS = 20  # ten folds of two rows: below that, held-out errors say nothing

UNCHANGED = Changes()

MADE: Mapping[str, Callable[[], Table]] = {"usda": usda.by_serving, "usda-100g": usda.by_100g}


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
    """`rows` is float64 [n, k] in the order of `columns`, `target` float64 [n].

    `columns` and `output` say what they are; `origin` and `year` where the table is from.
    `example` is a row to show the model with, by input. `filled` counts cells that were missing
    and hold their column's mean. `notes` are sentences on what was taken of the table.
    """

    source: str
    sha256: str
    columns: tuple[Input, ...]
    output: Output
    names: tuple[str, ...]
    rows: Floats
    target: Floats
    left_out: tuple[LeftOut, ...] = ()
    example: Mapping[str, float] = field(default_factory=dict)
    filled: int = 0
    origin: str = ""
    model: str = ""
    year: int | None = None
    intended_use: str = ""
    not_for: str = ""
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.target)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of the inputs."""
        return tuple(each.name for each in self.columns)

    def of(self, inputs: Sequence[str]) -> "Dataset":
        """The same rows with these inputs only."""
        places = [self.inputs.index(name) for name in inputs]
        columns = tuple(self.columns[place] for place in places)
        return replace(self, columns=columns, rows=self.rows[:, places])


def load(source: str, inputs: Sequence[str] = (), changes: Changes = UNCHANGED) -> Dataset:
    """Read a table that ships, a card's, or a CSV or Parquet file, as the changes would have it.

    `inputs` are what the architecture asks for; they hold where the card has them all. A row that
    lacks the target, or an input that is not filled, or has another fault is left out and told in
    `left_out`. Raises DataError for a file that cannot be read, a missing column, a cell that is
    no finite number, and too few rows.
    """
    found = find(source)
    card = found.card
    table = MADE[found.name]() if found.name in MADE else open_table(found.path)
    output, header = output_of(table, card, changes)
    chosen = inputs_of(table, card, changes, inputs, header)
    cells = table.numbers([*chosen.headers.values(), header])
    chosen, places = telling(table.path, chosen, cells, header)
    if len(places) < cells.shape[1] - 1:
        cells = cells[:, [*places, -1]]
    filled = 0
    if (changes.missing or card.missing) == "mean":
        filled = _fill(table.path, [*chosen.headers.values()], cells[:, :-1])
    faults = dict(table.faults)
    for place, column in enumerate((*chosen.headers.values(), header)):
        faults[f"without {column}"] = np.isnan(cells[:, place])
    named = card.rows in table.kinds
    names = table.texts(card.rows) if named else [f"row {i + 1}" for i in range(len(cells))]
    kept, left_out = _sift(names, faults)
    if kept.sum() < MIN_ROWS:
        raise DataError(
            f"{table.path} has {kept.sum()} complete rows; at least {MIN_ROWS} are needed to train "
            "and to measure the error on rows that were held out."
            + "".join(f" {rows}." for rows in left_out[:3])
        )
    if left_out:
        cells = cells[kept]
    if (cells[:, -1] == cells[0, -1]).all():
        raise DataError(
            f"{table.path} has the same {header} in every row: there is nothing to learn from it."
        )
    with table.path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Dataset(
        source=shown(found.name),
        sha256=digest,
        columns=tuple(input_of(name, card, changes) for name in chosen.headers),
        output=output,
        names=_chosen(names, kept),
        rows=cells[:, :-1],
        target=cells[:, -1],
        left_out=left_out,
        example=_example(card, chosen.headers, cells),
        filled=filled,
        origin=card.source,
        model=card.model,
        year=card.year,
        intended_use=card.intended_use,
        not_for=card.not_for,
        notes=chosen.notes,
    )


def _example(card: TableCard, names: Iterable[str], cells: Floats) -> Mapping[str, float]:
    """What the card gives of each input, else its median."""
    said = {name: each.example for name, each in card.inputs.items()}
    return {
        name: float(np.median(cells[:, place]) if (it := said.get(name)) is None else it)
        for place, name in enumerate(names)
    }


def _fill(path: Path, headers: Sequence[str], cells: Floats) -> int:
    """Put each column's mean where a cell [n, k] is missing; gives how many were.

    The mean is that of all rows, held-out ones too: it tells a fold very little of them.
    """
    missing = np.isnan(cells)
    for place, header in enumerate(headers):
        if missing[:, place].all():
            raise DataError(f"{path}: column '{header}' has no number, and so no mean to fill in.")
        if missing[:, place].any():
            cells[missing[:, place], place] = np.nanmean(cells[:, place])
    return int(missing.sum())


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
