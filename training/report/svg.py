"""Pictures as SVG, coloured by the classes of picture.css: right in light and in dark."""

import math
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

WIDTH = 440  # of every picture: text of 13 is read on a phone and beside a paragraph
CHARACTER = 7.2  # the usual width of a character at that size
MINUS = "\N{MINUS SIGN}"
STYLE = (Path(__file__).parent / "picture.css").read_text()


@dataclass(frozen=True)
class About:
    """A picture's name (its file's too), its title, and what it shows for who cannot see it."""

    name: str
    title: str
    description: str


class Picture:
    """One drawing, WIDTH wide, with its title and description in it."""

    def __init__(self, about: About, height: float) -> None:
        self.about = about
        self.height = height
        self.root = element(
            "svg",
            viewBox=f"0 0 {WIDTH} {height:g}",
            role="img",
            aria_labelledby=f"{about.name}-title {about.name}-description",
        )
        self.add("title", about.title, id=f"{about.name}-title")
        self.add("desc", about.description, id=f"{about.name}-description")

    def add(self, tag: str, text: str = "", **attributes: object) -> ET.Element:
        """Append an element; see `element` for how attributes are written."""
        child = element(tag, text, **attributes)
        self.root.append(child)
        return child

    def plate(self, x: float, y: float, text: str, anchor: str = "middle") -> None:
        """A small text on a ground of its own, so that it is read wherever it lies."""
        width = 7 * len(text) + 2
        left = x - width / 2 if anchor == "middle" else x - 2
        self.add("rect", x=left, y=y - 11, width=width, height=14, rx=3, class_="plate")
        self.add("text", text, x=x, y=y, class_=f"small {anchor}")

    def legend(self, entries: dict[str, str], x: float, y: float) -> None:
        """A row of marks with their meaning, from x or as far left of it as they need.

        `entries` maps a text to the class of its mark.
        """
        x = min(x, WIDTH - sum(40 + CHARACTER * len(text) for text in entries))
        for text, kind in entries.items():
            if kind.startswith("dot"):
                self.add("circle", cx=x + 8, cy=y - 4, r=4, class_=kind)
            elif kind.startswith("area"):
                self.add("rect", x=x, y=y - 10, width=16, height=11, rx=2, class_=kind)
            else:
                self.add("path", d=path([(x, y - 4), (x + 16, y - 4)]), class_=kind, stroke_width=3)
            self.add("text", text, x=x + 22, y=y)
            x += 40 + CHARACTER * len(text)

    def inline(self) -> str:
        """The picture for a page that has picture.css in it."""
        return ET.tostring(self.root, encoding="unicode")

    def standalone(self) -> str:
        """The picture as a file of its own, with its style and a background."""
        alone = element("svg", xmlns="http://www.w3.org/2000/svg", **_renamed(self.root.attrib))
        alone.append(element("style", STYLE))
        alone.append(element("rect", width="100%", height="100%", class_="surface"))
        alone.extend(self.root)
        return ET.tostring(alone, encoding="unicode") + "\n"


def element(tag: str, text: str = "", /, **attributes: object) -> ET.Element:
    """An element; `class_` is class, an underscore a hyphen, a number gets one decimal."""
    made = ET.Element(tag, {_name(name): _value(value) for name, value in attributes.items()})
    made.text = text or None
    return made


def path(points: list[tuple[float, float]], *, closed: bool = False) -> str:
    """The `d` of a path through the points."""
    steps = "L".join(f"{_value(x)} {_value(y)}" for x, y in points)
    return f"M{steps}{'Z' if closed else ''}"


def figure(value: float) -> str:
    """Three digits that count, in full where that is short, and a real minus."""
    size = abs(value)
    if not 1e-4 <= size < 1e9:
        text = f"{value + 0.0:.3g}" if value else "0"
    else:
        text = f"{value:,.{max(0, 2 - math.floor(math.log10(size)))}f}"
    return text.replace("-", MINUS)


def signed(value: float) -> str:
    """As `figure`, with a plus."""
    return f"+{figure(value)}" if value > 0 else figure(value)


def _name(name: str) -> str:
    return name.rstrip("_").replace("_", "-") if name != "viewBox" else name


def _value(value: object) -> str:
    return str(value) if isinstance(value, str) else f"{float(value):.1f}".removesuffix(".0")  # type: ignore[arg-type]


def _renamed(attributes: dict[str, str]) -> dict[str, str]:
    return {name.replace("-", "_"): value for name, value in attributes.items()}
