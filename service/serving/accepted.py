"""What a version accepts: the names of its inputs, in the order of a row, and their bounds."""

from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

from models.manifest import LARGEST, Manifest

Bounds = tuple[float, float]  # the least and the greatest value, both accepted


@dataclass(frozen=True, eq=False)
class Accepted:
    """Of k inputs; `units` are only for sentences."""

    names: tuple[str, ...]
    bounds: tuple[Bounds, ...]
    units: tuple[str, ...]
    # What the codecs made for these inputs, by the most rows of a request.
    schemas: dict[int, Any] = field(default_factory=dict)

    @classmethod
    def by(cls, manifest: Manifest) -> "Accepted":
        """What the version of a manifest accepts; versions of the same inputs share one."""
        units = tuple(each.unit for each in manifest.inputs)
        return _shared(manifest.input_names, manifest.accepted, units)

    def only(self, place: int) -> "Accepted":
        """Of the input at that place alone."""
        return Accepted((self.names[place],), (self.bounds[place],), (self.units[place],))

    @cached_property
    def by_name(self) -> dict[str, Bounds]:
        """The bounds of each input."""
        return dict(zip(self.names, self.bounds, strict=True))

    @cached_property
    def common(self) -> Bounds:
        """What every input accepts, whatever else it does; the greater first if there is none."""
        return max(low for low, _ in self.bounds), min(high for _, high in self.bounds)

    @cached_property
    def expected(self) -> dict[str, str]:
        """What each input must be, for a sentence."""
        units = [f" ({unit})" if unit else "" for unit in self.units]
        return {
            name: _number(*bounds) + unit
            for name, bounds, unit in zip(self.names, self.bounds, units, strict=True)
        }


@lru_cache(maxsize=64)
def _shared(names: tuple[str, ...], bounds: tuple[Bounds, ...], units: tuple[str, ...]) -> Accepted:
    """A new version, or one told apart by a label, needs no schemas of its own: a ms each."""
    return Accepted(names, bounds, units)


def _number(low: float, high: float) -> str:
    if low == -LARGEST and high == LARGEST:
        return "a finite number"
    if high == LARGEST:
        return f"a number from {low:.9g} up"
    if low == -LARGEST:
        return f"a number up to {high:.9g}"
    return f"a number from {low:.9g} to {high:.9g}"
