"""Columns of numbers: what every tabular format has in common."""

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import chain, islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.codecs.faults import MAX_FAULTS, shortened
from service.codecs.values import first_wrong
from service.errors import Fault, InvalidInput
from service.serving.accepted import Accepted
from service.serving.engines import Rows

Show = Callable[[int, int], str]  # the cell of a column in a row, as it came


def require_names(names: Sequence[str], accepted: Accepted) -> None:
    """Raise InvalidInput unless the names are the inputs, in any order."""
    counts, inputs = Counter(names), accepted.expected
    known = ", ".join(inputs)
    faults = chain(
        (Fault(name, inputs[name], "nothing") for name in inputs if name not in counts),
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
    columns: Sequence[NDArray[Any]],
    accepted: Accepted,
    places: Sequence[str],
    show: Show,
    first: int = 0,
) -> Rows:
    """Columns of [n] numbers as float32 [n, k]; raises InvalidInput with each column's first fault.

    They come in the order of the inputs. A column's place tells where its i-th number came from,
    "width[{}]"; they are the rows from `first` on.
    """
    given = zip(accepted.names, accepted.bounds, places, columns, strict=True)
    faults = [
        Fault(place.format(first + row), accepted.expected[name], shortened(show(number, row)))
        for number, (name, bounds, place, column) in enumerate(given)
        if (row := first_wrong(column, bounds)) is not None
    ]
    if faults:
        raise InvalidInput(faults[:MAX_FAULTS])
    rows = np.empty((len(columns[0]), len(columns)), np.float32)
    for number, column in enumerate(columns):
        rows[:, number] = column
    return rows


def in_columns(inputs: Sequence[str]) -> list[str]:
    """The places of columns that are named as the inputs."""
    return [f"{name}[{{}}]" for name in inputs]
