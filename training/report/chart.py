"""Charts: a picture with two axes, each with its label, unit and ticks."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.report.svg import CHARACTER, MINUS, WIDTH, About, Picture, element, path

Floats = NDArray[np.float64]

RIGHT, TOP, BOTTOM = 14, 38, 48  # room around the plot: the legend above, ticks and label below


@dataclass(frozen=True)
class Axis:
    """A label with its unit, and the range in that unit; `names` stand at 0, 1, 2 ..."""

    label: str
    low: float
    high: float
    names: tuple[str, ...] = ()

    @classmethod
    def over(cls, label: str, *values: Floats) -> "Axis":
        """An axis that holds all the values with some room."""
        low = min(float(each.min()) for each in values)
        high = max(float(each.max()) for each in values)
        room = 0.04 * (high - low) or 1.0
        return cls(label, low - room, high + room)

    @property
    def ticks(self) -> list[tuple[float, str]]:
        """Round numbers inside the range, or the names, with their places."""
        if self.names:
            return [(float(place), name) for place, name in enumerate(self.names)]
        return [(tick, number(tick)) for tick in round_numbers(self.low, self.high)]


def round_numbers(low: float, high: float, about: int = 6) -> list[float]:
    """About so many multiples of 1, 2 or 5 times a power of ten from low to high."""
    rough = (high - low) / about
    power = 10 ** np.floor(np.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough)
    first, last = np.ceil(low / step), np.floor(high / step)
    return [float(n * step) for n in np.arange(first, last + 1)]


class Chart(Picture):
    """Draws in the units of its axes."""

    def __init__(self, about: About, x: Axis, y: Axis, height: float = 320) -> None:
        super().__init__(about, height)
        self.x, self.y = x, y
        self.bottom = height - BOTTOM
        self.left = 34 + CHARACTER * max(len(text) for _, text in y.ticks)
        self._grid()

    def across(self, value: float) -> float:
        """The horizontal place of a value."""
        share = (value - self.x.low) / (self.x.high - self.x.low)
        return float(self.left + share * (WIDTH - self.left - RIGHT))

    def up(self, value: float) -> float:
        """The vertical place of a value."""
        share = (value - self.y.low) / (self.y.high - self.y.low)
        return float(self.bottom - share * (self.bottom - TOP))

    def places(self, x: Floats, y: Floats) -> list[tuple[float, float]]:
        """The points of the picture for values."""
        return [(self.across(a), self.up(b)) for a, b in zip(x, y, strict=True)]

    def line(self, x: Floats, y: Floats, kind: str = "line") -> None:
        """A line through the points."""
        self.add("path", d=path(self.places(x, y)), class_=kind)

    def area(self, x: Floats, y: Floats, kind: str) -> None:
        """A filled outline."""
        self.add("path", d=path(self.places(x, y), closed=True), class_=kind)

    def band(self, x: Floats, low: Floats, high: Floats) -> None:
        """The area between two lines."""
        self.area(np.append(x, x[::-1]), np.append(low, high[::-1]), "area band")

    def dots(self, x: Floats, y: Floats, kind: str) -> None:
        """Many dots as one path of round line ends, which keeps thousands of them small."""
        steps = "".join(f"M{a:.1f} {b:.1f}h0" for a, b in self.places(x, y))
        self.add("path", d=steps, class_=kind.replace("dot", "dots"))

    def dot(self, x: float, y: float, kind: str, tip: str) -> None:
        """One dot that tells what it is when it is pointed at."""
        mark = self.add("circle", cx=self.across(x), cy=self.up(y), r=4, class_=kind)
        mark.append(element("title", tip))

    def note(self, x: float, y: float, text: str) -> None:
        """A text above a point."""
        self.plate(self.across(x), self.up(y) - 8, text)

    def key(self, entries: dict[str, str]) -> None:
        """The legend above the plot."""
        self.legend(entries, self.left, 18)

    def _grid(self) -> None:
        for tick, text in self.y.ticks:
            y = self.up(tick)
            self.add("path", d=path([(self.left, y), (WIDTH - RIGHT, y)]), class_="grid")
            self.add("text", text, x=self.left - 8, y=y + 4, class_="tick end")
        for tick, text in self.x.ticks:
            x = self.across(tick)
            self.add("path", d=path([(x, self.bottom), (x, self.bottom + 4)]), class_="axis")
            self.add("text", text, x=x, y=self.bottom + 18, class_="tick middle")
        self.add(
            "path", d=path([(self.left, self.bottom), (WIDTH - RIGHT, self.bottom)]), class_="axis"
        )
        middle = (self.left + WIDTH - RIGHT) / 2
        self.add("text", self.x.label, x=middle, y=self.height - 8, class_="label middle")
        y = (TOP + self.bottom) / 2
        turn = f"rotate(-90 12 {y:g})"
        self.add("text", self.y.label, x=12, y=y, transform=turn, class_="label middle")


def number(value: float) -> str:
    """A tick as it is read: no needless zeros, a real minus."""
    return f"{value + 0.0:g}".replace("-", MINUS)
