"""The side file: the rows that could not be scored, each with its number and the reason."""

import csv
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from service.batch.tables import Rejected, draft


class RejectsFile:
    """A CSV file with `row`, `reason` and the row's own columns; no bad row, no file."""

    def __init__(self, path: Path, names: Sequence[str]) -> None:
        self.count = 0
        self._path = path
        self._names = names
        self._stack = ExitStack()
        self._writer: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, trace)
        if not self.count and error is None:
            self._path.unlink(missing_ok=True)  # of another run: it would tell of this one

    def add(self, rejected: Sequence[Rejected]) -> None:
        """Write rows with their reasons."""
        if self._writer is None:
            temporary = self._stack.enter_context(draft(self._path))
            file = temporary.open("w", newline="", encoding="utf-8")
            self._writer = csv.writer(self._stack.enter_context(file), lineterminator="\n")
            self._writer.writerow(["row", "reason", *self._names])
        self._writer.writerows([each.number, each.reason, *each.cells] for each in rejected)
        self.count += len(rejected)
