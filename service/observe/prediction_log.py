"""The prediction log: what was predicted for what, in Parquet files by day (docs/drift.md).

    FOLDER/2026-11-25/MODEL-1-120301-9f86d081.parquet

A request waits for an entry to be noted; a thread writes. Each file is of one version, is whole
from the moment it has its name, and has a name that no other worker takes. Only imported where it
is wanted, for it takes pyarrow.
"""

import atexit
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from secrets import token_hex
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from service.exchange import Exchange
from service.logs.survivor import Survivor
from service.serving.engines import Rows

WRITE_SECONDS = 60.0  # between two files of a worker, that there be few ...
ENOUGH_ROWS = 1 << 16  # ... unless so many wait
ENOUGH_BYTES = 16_000_000  # ... or so much
MOST_BYTES = 64_000_000  # that may wait
ENTRY_BYTES = 1000  # of an entry beside its numbers
STALE_SECONDS = 3600  # after which a draft has been left behind by a worker that died


class Entry(NamedTuple):
    """One request. Not the version itself, whose engine must be let go when it is replaced."""

    model: str
    version: int
    inputs: tuple[str, ...]
    time: float  # when it was answered, seconds since 1970
    request_id: str
    rows: Rows
    answers: dict[str, NDArray[Any]]  # by their names, which are the same for all of a version

    @property
    def size(self) -> int:
        """About how many bytes it takes."""
        return ENTRY_BYTES + sum(each.nbytes for each in (self.rows, *self.answers.values()))


class PredictionLog:
    """Keeps at most `megabytes` in `folder`, the newest; tells `dropped` of rows that are lost."""

    def __init__(self, folder: Path, megabytes: int, dropped: Callable[[int], None]) -> None:
        self._folder = folder
        self._bytes = megabytes * 1_000_000
        self._dropped = dropped
        self._lock = threading.Lock()  # held for an instant; never while something is written
        self._waiting: list[Entry] = []
        self._rows = self._size = 0  # and bytes that wait
        self._enough = threading.Event()
        self._writing = threading.Lock()
        self._survivor = Survivor("prediction-log")

    def __call__(self, exchange: Exchange) -> None:
        """Note a request that was answered with predictions; drop it when too much waits."""
        found = exchange.prediction
        if found is None:
            return
        source, rows = found.source, found.rows
        entry = Entry(
            *(source.model, source.version, source.inputs, time.time(), exchange.id),
            *(rows, found.answers()),
        )
        size = entry.size
        with self._lock:
            fits = self._size + size <= MOST_BYTES
            if fits:
                self._waiting.append(entry)
                self._rows += len(rows)
                self._size += size
        if not fits:
            self._dropped(len(rows))
        if self._rows >= ENOUGH_ROWS or self._size >= ENOUGH_BYTES:
            self._enough.set()

    def follow(self) -> None:
        """Write every minute in a thread of its own, and what is left at the end."""

        def pause() -> bool:
            self._enough.wait(WRITE_SECONDS)
            self._enough.clear()
            return True

        self._survivor.follow(self.write, pause)
        atexit.register(self.write)

    def write(self) -> None:
        """Write what waits; what cannot be written costs its rows, which are counted, no others."""
        with self._writing:
            with self._lock:
                waiting, self._waiting = self._waiting, []
                self._rows = self._size = 0
            for entries in _alike(waiting):
                if not self._survivor.run(self._write, entries):
                    self._dropped(sum(len(entry.rows) for entry in entries))
            if waiting:
                self._survivor.run(self._prune)

    def _write(self, entries: Sequence[Entry]) -> Path:
        """Make a file of requests of one version; gives its place."""
        now = datetime.now(UTC)
        day = self._folder / f"{now:%Y-%m-%d}"
        day.mkdir(parents=True, exist_ok=True)
        name = f"{entries[0].model}-{entries[0].version}-{now:%H%M%S}-{token_hex(4)}.parquet"
        draft = day / f".{name}"
        try:
            pq.write_table(table(entries), draft, compression="zstd")
            return draft.rename(day / name)
        finally:
            draft.unlink(missing_ok=True)

    def _prune(self) -> None:
        """Remove the oldest files beyond the bound, and drafts of workers that died."""
        found = sorted((at.st_mtime, at.st_size, path) for path, at in self._files())
        surplus = sum(size for _, size, _ in found) - self._bytes
        for written, size, path in found:
            draft = path.name.startswith(".")  # of somebody who is still writing, or died
            if written < time.time() - STALE_SECONDS if draft else surplus > 0:
                with suppress(OSError):  # another worker does the same; the day has other files
                    path.unlink()
                    surplus -= size
                    path.parent.rmdir()

    def _files(self) -> Iterator[tuple[Path, os.stat_result]]:
        for path in self._folder.glob("*/*.parquet"):
            with suppress(FileNotFoundError):
                at = path.lstat()
                if stat.S_ISREG(at.st_mode):
                    yield path, at


def table(entries: Sequence[Entry]) -> Any:
    """Requests of one version with the same inputs as an Arrow table, a row for each of theirs."""
    first = entries[0]
    request = pa.array(np.repeat(np.arange(len(entries)), [len(each.rows) for each in entries]))
    micros = np.array([each.time * 1e6 for each in entries]).astype("datetime64[us]")
    rows = np.concatenate([each.rows for each in entries])

    def of_all(name: str) -> Any:
        return pa.array(np.concatenate([each.answers[name] for each in entries]))

    columns = {
        "answered_at": pa.array(micros, pa.timestamp("us", "UTC")).take(request),
        "request_id": pa.array([each.request_id for each in entries]).take(request),
        "model": pa.repeat(first.model, len(rows)),
        "version": pa.repeat(pa.scalar(first.version, pa.int32()), len(rows)),
        "inputs": pa.StructArray.from_arrays(
            [pa.array(column.copy()) for column in rows.T], list(first.inputs)
        ),
        **{name: of_all(name) for name in first.answers},
    }
    return pa.table(columns)


def _alike(entries: Sequence[Entry]) -> Iterator[list[Entry]]:
    """Those of one version with the same columns: its number may come back with others."""

    def kind(entry: Entry) -> tuple[str, int, tuple[str, ...], tuple[str, ...]]:
        return entry.model, entry.version, entry.inputs, tuple(entry.answers)

    for _, group in groupby(sorted(entries, key=kind), kind):
        yield list(group)
