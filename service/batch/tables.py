"""Tables: what the scoring knows of files. Readers give chunks, writers take columns.

A column is a sequence of texts when it was read from CSV, a pyarrow array when it was read
from Parquet, and stays that until it is written.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import compress
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from models.registry import fsync
from service.codecs import text_csv

Cells = Any  # Sequence[str] or pyarrow.Array; pyarrow is optional


PARQUET = {".parquet", ".pq"}
DRAFT = ".draft"


class TableError(Exception):
    """A file cannot be read or written as asked; the text is a full sentence."""


@dataclass
class Rejected:
    """One bad row: its number from 1 (no header counted), why, and its cells as text."""

    number: int
    reason: str
    cells: Sequence[str]


@dataclass
class Chunk:
    """Some rows by column, their numbers, and the rows that could not even be told apart."""

    columns: Mapping[str, Cells]
    numbers: Sequence[int]
    broken: list[Rejected] = field(default_factory=list)

    def where(self, fine: NDArray[np.bool_]) -> "Chunk":
        """The rows of which `fine` is true."""
        kept = {name: _where(column, fine) for name, column in self.columns.items()}
        return Chunk(kept, list(compress(self.numbers, fine)))


class Reader(Protocol):
    """Reads a file in chunks, at least one, which may be empty."""

    names: tuple[str, ...]
    done: float

    def chunks(self) -> Iterator[Chunk]:
        """The rows in order; `done` is the share of the file that was read."""


class Writer(Protocol):
    """Writes a file in chunks."""

    def write(self, columns: Mapping[str, Cells], answers: Mapping[str, NDArray[Any]]) -> None:
        """Append rows: the columns that are carried through, and the answers beside them."""

    def close(self) -> None:
        """Write what is left."""


def as_numbers(column: Cells) -> NDArray[Any]:
    """A column as [n] numbers, NaN where there is none."""
    if is_text(column):
        return text_csv.numbers(column)
    if column.null_count:
        found: NDArray[Any] = column.to_numpy(zero_copy_only=False)
        return found
    return np.from_dlpack(column)  # to_numpy would first load pandas, where that is installed


def as_text(name: str, column: Cells) -> Sequence[str]:
    """A column as CSV writes it, an absent value as an empty cell; raises TableError."""
    if is_text(column):
        texts: Sequence[str] = column
        return texts
    try:
        return ["" if cell is None else cell for cell in column.cast("string").to_pylist()]
    except (NotImplementedError, ValueError) as error:
        raise TableError(
            f"column '{name}' of type {column.type} cannot be written as CSV; write Parquet, or "
            "name the columns to carry through with --keep."
        ) from error


def chunk_rows(most: int, columns: int) -> int:
    """Rows of a chunk: fewer where there are more columns than 16, so that it stays as large."""
    return max(1, most * 16 // max(16, columns))


def is_parquet(path: Path) -> bool:
    """Whether a file is Parquet, by its name."""
    return path.suffix.lower() in PARQUET


def is_text(column: Cells) -> bool:
    """Whether a column was read from CSV."""
    return isinstance(column, list | tuple)


def _where(column: Cells, fine: NDArray[np.bool_]) -> Cells:
    return list(compress(column, fine)) if is_text(column) else column.filter(fine)


@contextmanager
def draft(path: Path) -> Iterator[Path]:
    """A temporary name beside `path` that becomes `path` at the end, or vanishes on an error."""
    temporary = path.with_name(f".{path.name}.{uuid4().hex[:8]}{DRAFT}")
    try:
        yield temporary
        fsync(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
