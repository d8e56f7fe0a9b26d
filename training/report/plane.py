"""How the answers run over the inputs: along each of them, and over the plane of two."""

from itertools import pairwise

import contourpy
import numpy as np

from training.report.chart import Axis, Chart, number, round_numbers
from training.report.content import Content, Floats, label
from training.report.svg import CHARACTER, WIDTH, About, figure, path

GRID = 61  # points a side of a plane
SHADES = 9  # in picture.css
LINES = 12  # inputs whose line is drawn, of more those that move the answer most


def against(content: Content, index: int) -> Chart:
    """The output against one input, the others at their median, with the band of the interval."""
    data, output, given = content.data, content.manifest.output, content.manifest.inputs[index]
    values, width = data.rows[:, index], content.half_width
    x = Axis.over(label(given), values)
    rows = np.tile(content.medians, (241, 1))
    rows[:, index] = np.linspace(x.low, x.high, len(rows))
    rows = content.within(rows)
    line, answers = rows[:, index], content.predict(rows)
    low, high = answers - (width or 0), answers + (width or 0)
    others = "" if len(data.inputs) == 1 else ", the other inputs at their median"
    band = "; around it the band of the interval" if width is not None else ""
    chart = Chart(
        About(
            f"against-{index + 1}",
            f"{output.name} against {given.name}",
            f"A line of the model's answers from {figure(answers[0])} at {figure(line[0])} to "
            f"{figure(answers[-1])} at {figure(line[-1])}{others}{band}; dots are the data.",
        ),
        x,
        Axis.over(label(output), data.target[content.sample], low, high),
    )
    key = {"model": "line"}
    if width is not None and content.manifest.interval:
        chart.band(line, low, high)
        key[f"{content.manifest.interval.coverage:.0%} interval"] = "area band"
    chart.dots(values[content.sample], data.target[content.sample], "dot data")
    chart.line(line, answers)
    chart.key({**key, "data": "dot data"})
    return chart


def plane(content: Content) -> Chart:
    """The output over the two inputs that move it most, the others at their median."""
    first, second = strongest(reach(content), 2)
    one, other = content.manifest.inputs[first], content.manifest.inputs[second]
    x = Axis.over(label(one), content.data.rows[:, first])
    y = Axis.over(label(other), content.data.rows[:, second])
    points = content.within(mesh(content.medians, first, second, x, y))
    answers = content.predict(points).reshape(GRID, GRID)
    output = content.manifest.output
    chart = Chart(
        About(
            "plane",
            f"{output.name} over {one.name} and {other.name}",
            f"Shades from {figure(answers.min())} (pale) to {figure(answers.max())} (strong).",
        ),
        x,
        y,
        height=360,
    )
    levels = _levels(answers)
    for shade, pair in enumerate(zip([-np.inf, *levels], [*levels, np.inf], strict=True)):
        filled(chart, answers, pair, f"shade-{shade}")
    chart.dots(content.shown[:, first], content.shown[:, second], "dot where")
    _scale(chart, levels)
    return chart


def strongest(strength: Floats, most: int) -> list[int]:
    """The places of the largest, in their own order."""
    return sorted(np.argsort(-strength, kind="stable")[:most].tolist())


def mesh(medians: Floats, first: int, second: int, x: Axis, y: Axis) -> Floats:
    """Rows over the plane of two inputs, the others at their median: float64 [GRID * GRID, k]."""
    rows = np.tile(medians, (GRID * GRID, 1))
    across, up = np.meshgrid(np.linspace(x.low, x.high, GRID), np.linspace(y.low, y.high, GRID))
    rows[:, first], rows[:, second] = across.ravel(), up.ravel()
    return rows


def filled(chart: Chart, values: Floats, between: tuple[float, float], kind: str) -> None:
    """Fill where the values, float64 [GRID, GRID] over the plane, lie between two bounds."""
    across = np.linspace(chart.x.low, chart.x.high, GRID)
    up = np.linspace(chart.y.low, chart.y.high, GRID)
    contours = contourpy.contour_generator(across, up, values, fill_type="OuterOffset")
    outlines = []
    for points, offsets in zip(*contours.filled(*between), strict=True):
        for start, end in pairwise(offsets):
            ring = points[start:end]
            outlines.append(path(chart.places(ring[:, 0], ring[:, 1]), closed=True))
    if outlines:
        chart.add("path", d="".join(outlines), class_=kind, fill_rule="evenodd")


def reach(content: Content) -> Floats:
    """How far the answer goes along each input, the others at their median: float64 [k]."""
    reaches = []
    for index, column in enumerate(content.shown.T):
        moved = np.tile(content.medians, (len(column), 1))
        moved[:, index] = column
        reaches.append(np.ptp(content.predict(moved)))
    return np.array(reaches)


def _levels(answers: Floats) -> list[float]:
    """Round bounds between the shades, one fewer than there are shades at most."""
    around = Axis.over("", answers)
    about = SHADES - 1
    while len(levels := round_numbers(around.low, around.high, about)) > SHADES - 1:
        about -= 1
    return levels


def _scale(chart: Chart, levels: list[float]) -> None:
    """The shades above the plot, each bound below its edge."""
    width = 34
    left = WIDTH - 14 - width * (len(levels) + 1)
    for shade in range(len(levels) + 1):
        chart.add(
            "rect", x=left + shade * width, y=4, width=width, height=12, class_=f"shade-{shade}"
        )
    wide = max((CHARACTER * len(number(level)) for level in levels), default=0.0)
    every = 1 + int(wide // width)  # of long numbers only some have room
    for place, level in enumerate(levels, 1):
        if place % every == 0:
            chart.add("text", number(level), x=left + place * width, y=29, class_="tick middle")
