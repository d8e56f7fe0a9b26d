"""Parquet files, by pyarrow on one thread: who wants more cores starts more processes."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from service.batch.tables import Cells, Chunk, TableError, chunk_rows, is_text
from service.codecs.arrow_stream import TYPES, is_plain

ROWS = 1 << 16  # a chunk, and a row group of the output
BUFFER = 1 << 20  # bytes a column: without it a whole row group, however large, would be read


class ParquetReader:
    """Reads the columns that are needed, `ROWS` rows at a time; all row groups, or a run of them.

    `first` is the number of the first row that is read.
    """

    def __init__(
        self, path: Path, inputs: Iterable[str] = (), begin: int = 0, end: int | None = None
    ) -> None:
        self._path = path
        self.done = 0.0
        self.first = 1
        with _told(path):
            self._file = pq.ParquetFile(path, buffer_size=BUFFER, pre_buffer=False)
        self._groups = range(self._file.num_row_groups)[begin:end]
        self._schema = self._file.schema_arrow
        self.names = tuple(self._schema.names)
        for name in set(inputs) & set(self.names):
            if not is_plain(self._schema.field(name)):
                kind = self._schema.field(name).type
                raise TableError(f"{path}, column '{name}': expected {TYPES}, received {kind}.")

    def chunks(self) -> Iterator[Chunk]:
        """The rows in order."""
        total = sum(self._file.metadata.row_group(group).num_rows for group in self._groups)
        first = self.first
        if not total:
            yield self._chunk(self._schema.empty_table().to_batches() or [self._empty()], first)
            return
        most = chunk_rows(ROWS, len(self.names))
        with _told(self._path):
            for batch in self._file.iter_batches(most, self._groups, use_threads=False):
                yield self._chunk([batch], first)
                first += len(batch)
                self.done = (first - self.first) / total

    def _chunk(self, batches: list[Any], first: int) -> Chunk:
        [batch] = batches
        columns = dict(zip(self.names, batch.columns, strict=True))
        return Chunk(columns, range(first, first + len(batch)))

    def _empty(self) -> Any:
        return pa.record_batch([pa.array([], each.type) for each in self._schema], self._schema)


def row_groups(path: Path) -> list[int]:
    """The rows of each row group; raises TableError."""
    with _told(path):
        footer = pq.read_metadata(path)
    return [footer.row_group(group).num_rows for group in range(footer.num_row_groups)]


class ParquetWriter:
    """Writes one row group a chunk; numbers stay plain: coding them takes longer."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer: Any = None

    def write(self, columns: Mapping[str, Cells], answers: Mapping[str, NDArray[Any]]) -> None:
        """Append rows."""
        arrays = {name: _array(column) for name, column in columns.items()}
        arrays |= {name: _plain(answer) for name, answer in answers.items()}
        batch = pa.record_batch(arrays)
        if self._writer is None:
            words = [field.name for field in batch.schema if not is_plain(field)]
            compression = {name: "snappy" if name in words else "none" for name in arrays}
            self._writer = pq.ParquetWriter(
                self._path, batch.schema, use_dictionary=words, compression=compression
            )
        self._writer.write_table(pa.Table.from_batches([batch]))

    def close(self) -> None:
        """Write the footer."""
        if self._writer is not None:
            self._writer.close()


def _plain(answer: NDArray[Any]) -> Any:
    """A NumPy array as it lies in memory; pa.array would first load pandas, where that is."""
    if answer.dtype == np.bool_:
        bits = pa.py_buffer(np.packbits(answer, bitorder="little"))
        return pa.Array.from_buffers(pa.bool_(), len(answer), [None, bits])
    kind = pa.from_numpy_dtype(answer.dtype)
    return pa.Array.from_buffers(kind, len(answer), [None, pa.py_buffer(answer)])


def _array(column: Cells) -> Any:
    return pa.array(column, pa.string()) if is_text(column) else column


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Whatever pyarrow finds wrong with a file, as a sentence."""
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        reason = str(error).partition("\n")[0].rstrip(".")
        raise TableError(f"{path} cannot be read as Parquet: {reason}.") from error
