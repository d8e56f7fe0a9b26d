"""CSV files: every cell stays the text it is, so what is carried through is unchanged."""

import csv
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from service.batch.tables import Cells, Chunk, Rejected, TableError, as_text, chunk_rows
from service.codecs.text_csv import texts

ROWS = 8192  # a chunk: texts take a hundred times the memory of numbers


class CsvReader:
    """Reads UTF-8 CSV with a header line; empty lines are passed over."""

    def __init__(self, path: Path, _: Iterable[str] = ()) -> None:
        self._path = path
        self._size = max(path.stat().st_size, 1)
        self.done = 0.0
        with self._open() as file:
            header = next(self._lines(file), [])
        self.names = tuple(name.strip() for name in header)
        if not header:
            raise TableError(f"{path} is empty: expected a header line that names the columns.")
        if len(set(self.names)) < len(self.names):
            raise TableError(f"{path} names a column twice: {', '.join(self.names)}.")

    def chunks(self) -> Iterator[Chunk]:
        """The rows in order; one of another width than the header is broken."""
        with self._open() as file:
            lines = self._lines(file)
            next(lines)
            most = chunk_rows(ROWS, len(self.names))
            rows = list(islice(lines, most))
            number = 1
            while True:
                yield self._chunk(rows, number)
                self.done = file.buffer.tell() / self._size
                number += len(rows)
                rows = list(islice(lines, most))
                if not rows:
                    return

    def _chunk(self, rows: list[list[str]], first: int) -> Chunk:
        width = len(self.names)
        numbers: Any = range(first, first + len(rows))
        broken = []
        if any(len(row) != width for row in rows):
            told = list(enumerate(rows, first))
            broken = [self._broken(n, row) for n, row in told if len(row) != width]
            numbers = [n for n, row in told if len(row) == width]
            rows = [row for row in rows if len(row) == width]
        columns = list(zip(*rows, strict=True)) or [()] * width
        return Chunk(dict(zip(self.names, columns, strict=True)), numbers, broken)

    def _broken(self, number: int, row: list[str]) -> Rejected:
        width = len(self.names)
        reason = f"expected {width} cells, as the header has, received {len(row)}"
        return Rejected(number, reason, [*row, *[""] * width][:width])

    def _open(self) -> Any:
        return self._path.open(newline="", encoding="utf-8-sig")

    def _lines(self, file: Any) -> Iterator[list[str]]:
        reader = csv.reader(file, strict=True)
        try:
            yield from filter(None, reader)
        except (csv.Error, UnicodeDecodeError) as error:
            raise TableError(
                f"{self._path} is no CSV file in UTF-8 after line {reader.line_num}: {error}."
            ) from error


class CsvWriter:
    """Writes UTF-8 CSV; the header comes from the first chunk."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", newline="", encoding="utf-8")
        self._writer = csv.writer(self._file, lineterminator="\n")
        self._begun = False

    def write(self, columns: Mapping[str, Cells], answers: Mapping[str, NDArray[Any]]) -> None:
        """Append rows."""
        if not self._begun:
            self._writer.writerow([*columns, *answers])
            self._begun = True
        carried = [as_text(name, column) for name, column in columns.items()]
        added = [texts(answer) for answer in answers.values() if len(answer)]
        if added:
            self._writer.writerows(zip(*carried, *added, strict=True))

    def close(self) -> None:
        """Write what is left."""
        self._file.close()
