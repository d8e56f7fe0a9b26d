"""Columns of numbers: what every tabular format has in common."""

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import chain, islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.codecs.faults import MAX_FAULTS, shortened
from service.codecs.json_rows import GRAM, LARGEST
from service.errors import Fault, InvalidInput
from service.serving.engines import Rows

Show = Callable[[str, int], str]  # an input's cell in a row, as it came


def right(column: NDArray[Any]) -> NDArray[np.bool_]:
    """Which of [n] numbers are grams a serving: NaN and infinity fail the comparison too."""
    found: NDArray[np.bool_] = (column >= 0) & (column <= LARGEST)
    return found


def require_names(names: Sequence[str], inputs: tuple[str, ...]) -> None:
    """Raise InvalidInput unless the names are the inputs, in any order."""
    counts = Counter(names)
    known = ", ".join(inputs)
    faults = chain(
        (Fault(name, GRAM, "nothing") for name in inputs if name not in counts),
        (
            Fault(shortened(name) or "''", f"no such column, only {known}", "a column")
            for name in counts
            if name not in inputs
        ),
        (Fault(name, "one column", str(counts[name])) for name in inputs if counts[name] > 1),
    )
    first = list(islice(faults, MAX_FAULTS))
    if first:
        raise InvalidInput(first)


def require_length(rows: int, max_rows: int) -> None:
    """Raise InvalidInput for no row at all, or more than a request may hold."""
    if rows == 0:
        raise InvalidInput([Fault("body", "at least one row", "0")])
    if rows > max_rows:
        raise InvalidInput([Fault("body", f"at most {max_rows} rows", str(rows))])


def to_rows(
    columns: dict[str, NDArray[Any]], inputs: tuple[str, ...], show: Show, first: int = 0
) -> Rows:
    """Columns of [n] numbers as float32 [n, k]; raises InvalidInput with each column's first fault.

    They are the rows from `first` on.

    Numbers are held against the range in the type they came in: 1000.00001 is too much,
    though as float32 it is 1000.
    """
    faults = [
        Fault(f"{name}[{first + row}]", GRAM, shortened(show(name, row)))
        for name in inputs
        if (row := _first_wrong(columns[name])) is not None
    ]
    if faults:
        raise InvalidInput(faults[:MAX_FAULTS])
    rows = np.empty((len(columns[inputs[0]]), len(inputs)), np.float32)
    for place, name in enumerate(inputs):
        rows[:, place] = columns[name]
    return rows


def _first_wrong(column: NDArray[Any]) -> int | None:
    fine = right(column)
    return None if fine.all() else int(fine.argmin())
