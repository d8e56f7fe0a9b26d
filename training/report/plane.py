"""How the answers run over the inputs: along each of them, and over the plane of two."""

from itertools import pairwise

import contourpy
import numpy as np

from training.report.chart import Axis, Chart, number, round_numbers
from training.report.content import Content, Floats
from training.report.svg import WIDTH, About, path

GRID = 61  # points a side of a plane
SHADES = 9  # in picture.css


def against(content: Content, index: int) -> Chart:
    """Calories against one input, the others at their median, with the band of the interval."""
    data, name = content.data, content.data.inputs[index]
    grams = data.rows[:, index]
    x = Axis.over(f"{name} (g)", grams)
    line = np.linspace(max(x.low, 0), x.high, 241)
    rows = np.tile(content.medians, (len(line), 1))
    rows[:, index] = line
    calories, lower, upper = content.predict(rows)
    y = Axis.over("calories (kcal)", data.target, lower, upper)
    others = "" if len(data.inputs) == 1 else ", the other inputs at their median"
    chart = Chart(
        About(
            f"against-{index + 1}",
            f"Calories against {name}",
            f"A line of the model's answers from {calories[0]:.0f} kcal at {line[0]:.0f} g to "
            f"{calories[-1]:.0f} kcal at {line[-1]:.1f} g{others}; around it the band of the "
            "interval; dots are the data.",
        ),
        x,
        y,
    )
    chart.band(line, lower, upper)
    chart.dots(grams[content.sample], data.target[content.sample], "dot data")
    chart.line(line, calories)
    chart.key(
        {"model": "line", f"{content.coverage:.0%} interval": "area band", "data": "dot data"}
    )
    return chart


def plane(content: Content) -> Chart:
    """Calories over the two inputs that move them most, the others at their median."""
    data = content.data
    first, second = strongest_pair(_reach(content))
    x = Axis.over(f"{data.inputs[first]} (g)", data.rows[:, first])
    y = Axis.over(f"{data.inputs[second]} (g)", data.rows[:, second])
    points = np.maximum(mesh(content.medians, first, second, x, y), 0)
    calories = content.predict(points)[0].reshape(GRID, GRID)
    chart = Chart(
        About(
            "plane",
            f"Calories over {data.inputs[first]} and {data.inputs[second]}",
            f"Shades from {calories.min():.0f} kcal (pale) to {calories.max():.0f} kcal (strong).",
        ),
        x,
        y,
        height=360,
    )
    levels = _levels(calories)
    for shade, pair in enumerate(zip([-np.inf, *levels], [*levels, np.inf], strict=True)):
        filled(chart, calories, pair, f"shade-{shade}")
    shown = data.rows[content.sample]
    chart.dots(shown[:, first], shown[:, second], "dot where")
    _scale(chart, levels)
    return chart


def strongest_pair(strength: Floats) -> tuple[int, int]:
    """The two largest, in the order of the inputs."""
    first, second = sorted(np.argsort(-strength, kind="stable")[:2].tolist())
    return first, second


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


def _reach(content: Content) -> Floats:
    """How far the answer goes along each input, the others at their median: kcal [k]."""
    rows = np.tile(content.medians, (len(content.data), 1))
    reaches = []
    for index in range(len(content.medians)):
        moved = rows.copy()
        moved[:, index] = content.data.rows[:, index]
        reaches.append(np.ptp(content.predict(moved)[0]))
    return np.array(reaches)


def _levels(calories: Floats) -> list[float]:
    """Round bounds between the shades, one fewer than there are shades at most."""
    around = Axis.over("", calories)
    about = SHADES - 1
    while len(levels := round_numbers(around.low, around.high, about)) > SHADES - 1:
        about -= 1
    return levels


def _scale(chart: Chart, levels: list[float]) -> None:
    """The shades above the plot, each bound below its edge."""
    width = 34
    left = WIDTH - 14 - width * (len(levels) + 1)
    chart.add("text", "kcal", x=left - 8, y=16, class_="tick end")
    for shade in range(len(levels) + 1):
        chart.add(
            "rect", x=left + shade * width, y=4, width=width, height=12, class_=f"shade-{shade}"
        )
    for place, level in enumerate(levels, 1):
        chart.add("text", number(level), x=left + place * width, y=29, class_="tick middle")
