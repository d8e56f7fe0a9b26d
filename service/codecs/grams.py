"""What an input may be, in every format: a finite number of grams a serving."""

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

LARGEST = 1000.0  # nobody eats more, and float32 is exact to 0.1 mg there

Gram = Annotated[float, Field(strict=True, ge=0, le=LARGEST, allow_inf_nan=False)]
GRAM = f"a number from 0 to {LARGEST:g} (grams a serving)"


def right(numbers: NDArray[Any]) -> NDArray[np.bool_]:
    """Which are such numbers, in the type they came in: 1000.00001 is 1000 as float32.

    NaN and infinity fail the comparison too.
    """
    found: NDArray[np.bool_] = (numbers >= 0) & (numbers <= LARGEST)
    return found


def all_right(numbers: NDArray[Any]) -> bool:
    """Whether there are any and all are right, in a third of the time."""
    return bool(numbers.size and numbers.min() >= 0 and numbers.max() <= LARGEST)


def first_wrong(column: NDArray[Any]) -> int | None:
    """The place of the first of [n] that is wrong."""
    fine = right(column)
    return None if fine.all() else int(fine.argmin())
