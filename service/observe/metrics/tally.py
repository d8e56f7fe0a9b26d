"""A tally: series with their numbers in NumPy arrays, so that workers add up by adding arrays."""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray
from pydantic import ConfigDict, FiniteFloat, TypeAdapter

from models import files

LARGEST = 16 * 1024**2  # bytes of a file

Numbers = NDArray[np.float64]
Series = tuple[str, tuple[str, ...], tuple[FiniteFloat, ...], list[FiniteFloat]]
WRITTEN = TypeAdapter(list[Series], config=ConfigDict(strict=True))


class SeriesKey(NamedTuple):
    """A series: the family, the values of its labels, and the bounds if it is a histogram.

    The bounds belong to it, so that a version with other quantiles is never added to this one.
    """

    family: str
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()


class Tally:
    """A counter's number is [1]; a histogram's of b bounds are [b + 2]: up to each, all, sum."""

    def __init__(self) -> None:
        self._numbers: dict[SeriesKey, Numbers] = {}

    def __iter__(self) -> Iterator[tuple[SeriesKey, Numbers]]:
        return iter(self._numbers.items())

    def add(self, key: SeriesKey, amount: float = 1) -> None:
        """Count `amount` more."""
        self._add(key, np.array([amount], np.float64))

    def observe(self, keys: Sequence[SeriesKey], values: NDArray[Any]) -> None:
        """Count values [k, n] in the buckets of k series; bounds are of the values' own dtype."""
        most = max(len(each.bounds) for each in keys)
        bounds = [each.bounds + each.bounds[-1:] * (most - len(each.bounds)) for each in keys]
        upto = np.count_nonzero(
            values[:, None] <= np.array(bounds, values.dtype)[..., None], axis=2
        )
        sums, n = values.sum(axis=1, dtype=np.float64).tolist(), values.shape[1]
        for each, counts, total in zip(keys, upto.tolist(), sums, strict=True):
            self._add(each, np.array([*counts[: len(each.bounds)], n, total], np.float64))

    def update(self, other: "Tally") -> None:
        """Add all that another counted."""
        for key, numbers in other:
            self._add(key, numbers)

    def keep(self, wanted: Callable[[SeriesKey], bool]) -> None:
        """Forget every series that is not wanted."""
        self._numbers = {key: numbers for key, numbers in self if wanted(key)}

    def write(self, path: Path) -> None:
        """Replace a file by one rename, so that no reader finds half of it; raises OSError."""
        draft = path.with_suffix(".draft")
        series = [(*key, numbers) for key, numbers in self]
        content = orjson.dumps(series, option=orjson.OPT_SERIALIZE_NUMPY)
        how = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK
        with os.fdopen(os.open(draft, how, 0o600), "wb") as file:
            file.write(content)
        draft.rename(path)

    @classmethod
    def read(cls, path: Path) -> "Tally":
        """What a file holds; nothing where there is none.

        Raises ValueError for what `write` did not write, BrokenVersion for what is no file.
        """
        found = cls()
        try:
            content = files.read(path, LARGEST)
        except FileNotFoundError:
            return found
        for family, labels, bounds, numbers in WRITTEN.validate_json(content):
            if len(numbers) != (len(bounds) + 2 if bounds else 1):
                raise ValueError(f"{path} holds {len(numbers)} numbers of {len(bounds)} buckets.")
            found._add(SeriesKey(family, labels, bounds), np.array(numbers))
        return found

    def _add(self, key: SeriesKey, numbers: Numbers) -> None:
        before = self._numbers.get(key)
        self._numbers[key] = numbers if before is None else before + numbers
