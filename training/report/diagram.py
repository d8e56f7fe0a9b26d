"""The network as a diagram: units as discs, weights as lines, each as it was trained."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from training.report.content import Content, Floats
from training.report.plane import strongest
from training.report.rectifier import shares
from training.report.svg import CHARACTER, WIDTH, About, Picture, element, path, signed

UNITS = 32  # of a layer that are drawn, those with the strongest weights
LINES = 90  # between two layers that are drawn, the strongest
NUMBERED = 16  # lines between two layers that leave room for their numbers
SUMMED = 12  # inputs of a linear unit that are drawn
ABREAST = 4  # numbers that fit beside each other, long ones too
ROOMY = 4  # units that leave room for their bias between them
RADIUS = 14.0
TOP = 52  # of the inputs' names, below the legend
SIGNS = {"positive weight": "edge up", "negative weight": "edge down"}


def unit(content: Content) -> Picture:
    """A linear unit: each input times its weight, and the bias, summed to the answer.

    Of very many inputs the strongest are drawn.
    """
    [(kernel, bias)] = content.networks[0]
    effects = _effects(content, kernel)[:, 0]
    shown = strongest(effects, SUMMED)
    names = [*(content.data.inputs[place] for place in shown), "1"]
    weights = [*kernel[shown, 0], bias[0]]
    answer = content.manifest.output.name
    about = About(
        "unit",
        "The linear unit",
        f"Lines from the inputs on the left to a sum, whose answer is {answer}. "
        + ", ".join(
            f"{name}: {signed(weight)}" for name, weight in zip(names, weights, strict=True)
        ),
    )
    height = 76 * len(names) + 10
    picture = Picture(about, height)
    picture.add("path", d=path([(250, height / 2), (385, height / 2)]), class_="edge plain")
    widths = [*(1 + 5 * effects[shown] / (effects.max() or 1.0)), 2.0]
    for row, (name, weight, width) in enumerate(zip(names, weights, widths, strict=True)):
        y = 43 + 76 * row
        _edge(picture, path([(60, y), (250, height / 2)]), weight, width, f"{name} to the sum")
        _pill(picture, 60, y, name)
        beside = y + (height / 2 - y) * 90 / 190
        picture.plate(150, beside + 4, signed(weight))
    picture.add("circle", cx=250, cy=height / 2, r=24, class_="pill")
    picture.add("text", "Σ", x=250, y=height / 2 + 7, class_="sum middle")
    _pill(picture, 385, height / 2, answer)
    return picture


@dataclass(frozen=True)
class Row:
    """The units of one layer that are drawn: their numbers, names and places."""

    units: list[int]
    names: list[str]
    y: float

    @property
    def places(self) -> list[float]:
        """Evenly over the width."""
        step = WIDTH / len(self.units)
        return [step * (place + 0.5) for place in range(len(self.units))]


def network(content: Content) -> Picture:
    """A layered network, the first member: numbered where there is room, else by strength."""
    drawn = content.networks[0]
    effects = [_effects(content, drawn[0][0]), *(np.abs(kernel) for kernel, _ in drawn[1:])]
    rows = _rows(effects, content.data.inputs)
    output = content.manifest.output
    widths = " and ".join(str(len(bias)) for _, bias in drawn[:-1])
    about = About(
        "network",
        "The network",
        f"{len(rows[0].names)} inputs at the top, hidden layers of {widths} units below them, "
        f"{output.name} at the bottom. A line is a weight: the wider, the stronger.",
    )
    picture = Picture(about, rows[-1].y + 26)
    picture.legend(SIGNS, 16, 18)
    for (kernel, _), effect, (above, below) in zip(drawn, effects, pairwise(rows), strict=True):
        _weights(picture, kernel, effect, above, below)
    hidden = zip(rows[1:-1], drawn, shares(content, drawn), strict=False)
    for row, (_, bias), on in hidden:
        _discs(picture, row, bias, on)
    for name, x in zip(rows[0].names, rows[0].places, strict=True):
        _input(picture, x, rows[0].y, name, upright=rows[0].y > TOP)
    _pill(picture, WIDTH / 2, rows[-1].y, output.name)
    beside = WIDTH / 2 + CHARACTER * len(output.name) / 2 + 18
    picture.plate(beside, rows[-1].y + 4, signed(drawn[-1][1][0]), "start")
    return picture


def _effects(content: Content, kernel: Floats) -> Floats:
    """How far a usual change of each input moves each unit, float64 [in, out]."""
    return np.asarray(np.abs(kernel) * content.data.rows.std(axis=0)[:, None])


def _rows(effects: list[Floats], inputs: tuple[str, ...]) -> list[Row]:
    drawn = strongest(effects[0].sum(axis=1), UNITS)
    names = [inputs[place] for place in drawn]
    longest = max(map(len, names))
    abreast = len(names) * (CHARACTER * longest + 28) <= WIDTH
    top = TOP if abreast else TOP + CHARACTER * longest
    rows = [Row(drawn, names, top)]
    for number, effect in enumerate(effects, 1):
        units = strongest(effect.sum(axis=0), UNITS)
        above = rows[-1]
        gap = 66 + 17 * len(units) if _numbered(above.units, units) else 140
        rows.append(Row(units, [f"layer {number}, unit {u + 1}" for u in units], above.y + gap))
    return rows


def _numbered(above: list[int], below: list[int]) -> bool:
    return len(above) <= ABREAST and len(above) * len(below) <= NUMBERED


def _weights(picture: Picture, kernel: Floats, effects: Floats, above: Row, below: Row) -> None:
    """The lines between two layers, the strongest last, so that they lie on top."""
    numbered = _numbered(above.units, below.units)
    drawn = np.ix_(above.units, below.units)
    shown, effects = kernel[drawn], effects[drawn]
    most = effects.max() or 1.0
    order = np.argsort(effects, axis=None, kind="stable")[-LINES:]
    pairs = [divmod(int(flat), len(below.units)) for flat in order]
    for i, j in pairs:
        line = path([(above.places[i], above.y), (below.places[j], below.y)])
        width = 0.4 + (5.6 if numbered else 2.6) * effects[i, j] / most
        _edge(picture, line, shown[i, j], width, f"{above.names[i]} to {below.names[j]}")
    for i, j in pairs if numbered else []:
        y = above.y + 36 + 17 * j  # a height for each target, so that no two numbers meet
        share = (y - 4 - above.y) / (below.y - above.y)
        x = above.places[i] + share * (below.places[j] - above.places[i])
        picture.plate(x, y, signed(shown[i, j]))


def _discs(picture: Picture, row: Row, bias: Floats, on: Floats) -> None:
    """The units of a hidden layer, the fuller the more of the rows switch them on."""
    radius = min(RADIUS, 0.4 * WIDTH / len(row.units))
    for unit, name, x in zip(row.units, row.names, row.places, strict=True):
        picture.add("circle", cx=x, cy=row.y, r=radius, class_="surface")
        disc = picture.add("circle", cx=x, cy=row.y, r=radius, class_="unit")
        disc.set("fill-opacity", f"{on[unit]:.2f}")
        tip = f"{name}: bias {signed(bias[unit])}, on for {on[unit]:.0%} of the rows"
        disc.append(element("title", tip))
        if len(row.units) <= ROOMY:
            picture.plate(x + RADIUS + 4, row.y + 4, signed(bias[unit]), "start")


def _edge(picture: Picture, line: str, weight: float, width: float, what: str) -> None:
    kind = "edge up" if weight >= 0 else "edge down"
    edge = picture.add("path", d=line, class_=kind, stroke_width=width)
    edge.append(element("title", f"{what}: {signed(weight)}"))


def _input(picture: Picture, x: float, y: float, text: str, *, upright: bool) -> None:
    """An input's name, on end above its place where names do not fit beside each other."""
    if upright:
        turn = f"rotate(-90 {x:g} {y:g})"
        picture.add("text", text, x=x + 8, y=y + 4.5, transform=turn)
        picture.add("circle", cx=x, cy=y, r=4, class_="dot")
    else:
        _pill(picture, x, y, text)


def _pill(picture: Picture, x: float, y: float, text: str) -> None:
    width = CHARACTER * len(text) + 24
    picture.add("rect", x=x - width / 2, y=y - 15, width=width, height=30, rx=15, class_="pill")
    picture.add("text", text, x=x, y=y + 4.5, class_="middle")
