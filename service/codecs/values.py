"""What a value may be, in every format: a finite number within what its input accepts."""

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from service.serving.accepted import Accepted, Bounds


def strict_number(bounds: Bounds) -> Any:
    """The same rule as a type, for pydantic."""
    low, high = bounds
    return Annotated[float, Field(strict=True, ge=low, le=high, allow_inf_nan=False)]


def right(numbers: NDArray[Any], bounds: Bounds) -> NDArray[np.bool_]:
    """Which are accepted, in the type they came in: 1000.00001 is 1000 as float32.

    NaN and infinity fail the comparison too.
    """
    low, high = bounds
    if numbers.dtype == np.float16:  # which the bounds may not fit into
        numbers = numbers.astype(np.float32)
    found: NDArray[np.bool_] = (numbers >= low) & (numbers <= high)
    return found


def all_right(columns: NDArray[Any], accepted: Accepted) -> bool:
    """Whether there are any float64 [k, n] and all are right; in a third of the time mostly."""
    low, high = accepted.common
    if not columns.size:
        return False
    if columns.min() >= low and columns.max() <= high:
        return True
    return all(right(*each).all() for each in zip(columns, accepted.bounds, strict=True))


def first_wrong(column: NDArray[Any], bounds: Bounds) -> int | None:
    """The place of the first of [n] that is wrong."""
    fine = right(column, bounds)
    return None if fine.all() else int(fine.argmin())
