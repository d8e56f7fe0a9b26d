"""The ReLU, and what one rectified unit of the trained network does to the data."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.architectures import Network
from training.report.chart import Axis, Chart
from training.report.content import Content, Floats
from training.report.plane import GRID, filled, mesh, strongest
from training.report.svg import About

FOLD = "What the unit does to the data"
STATES = {"on": "dot on", "off": "dot off"}
MOST = (0.1, 0.9)  # a unit that is on for fewer or more of the rows hardly bends anything


@dataclass(frozen=True)
class Unit:
    """A unit of the first hidden layer: float64 [k] weights, and its bias.

    `effect` is how far the answers move, on average, when the unit is silenced.
    """

    number: int
    weights: Floats
    bias: float
    effect: float

    def sums(self, rows: Floats) -> Floats:
        """The weighted sum for each row, before it is rectified: float64 [n]."""
        return np.asarray(rows @ self.weights + self.bias)


def forward(network: Network, rows: Floats, silent: int | None = None) -> list[Floats]:
    """The weighted sums of each layer, the answer last; first-layer unit `silent` is kept at 0."""
    values, sums = rows, []
    for number, (kernel, bias) in enumerate(network):
        sums.append(np.asarray(values @ kernel + bias))
        values = np.maximum(sums[-1], 0)
        if number == 0 and silent is not None:
            values[:, silent] = 0
    return sums


def shares(content: Content, network: Network) -> list[Floats]:
    """For each hidden layer, the share of the rows that each of its units is on for."""
    if not content.rectified:
        return [np.ones(len(bias)) for _, bias in network[:-1]]
    return [np.asarray((sums > 0).mean(axis=0)) for sums in forward(network, content.shown)[:-1]]


def telling_unit(content: Content) -> Unit:
    """The first-layer unit of the first network that bends most: silenced, it is missed most.

    Units that are on, or off, for nearly all rows come last: they bend nothing.
    """
    network, rows = content.networks[0], content.shown
    kernel, bias = network[0]
    answers = forward(network, rows)
    on = (answers[0] > 0).mean(axis=0)
    bends = (on > MOST[0]) & (on < MOST[1])
    effects = np.array(
        [np.abs(forward(network, rows, unit)[-1] - answers[-1]).mean() for unit in range(len(bias))]
    )
    number = int(np.lexsort((effects, bends))[-1])
    return Unit(number + 1, kernel[:, number], float(bias[number]), float(effects[number]))


def relu(content: Content, unit: Unit) -> Chart:
    """The rectifier with the rows of the data on it, as this unit sees them."""
    sums = unit.sums(content.shown)
    x = Axis.over("weighted sum of the inputs (no unit)", sums, np.array([-0.5, 0.5]))
    y = Axis.over("output (no unit)", np.maximum(sums, 0), np.array([x.high * 0.9]))
    chart = Chart(
        About(
            "relu",
            "The ReLU",
            "A line that is flat left of zero and rises one for one right of it, with a dot "
            f"for each row: {int((sums > 0).sum())} of {len(sums)} are right of zero.",
        ),
        x,
        y,
    )
    chart.line(np.array([x.low, 0, x.high]), np.array([0, 0, x.high]))
    _states(chart, sums, np.maximum(sums, 0), sums > 0)
    chart.key(STATES)
    return chart


def fold(content: Content, unit: Unit) -> Chart:
    """Where the unit is on: along its one input, or in the plane of its two strongest."""
    return _along(content, unit) if len(content.data.inputs) == 1 else _across(content, unit)


def _along(content: Content, unit: Unit) -> Chart:
    values, sums = content.shown[:, 0], unit.sums(content.shown)
    chart = Chart(
        About("fold", FOLD, "The output of the unit is a line that bends at its crease."),
        x := Axis.over(content.label(0), values),
        Axis.over("output of the unit (no unit)", np.maximum(sums, 0), np.zeros(1)),
    )
    line = np.linspace(x.low, x.high, 201)
    chart.line(line, np.maximum(unit.sums(line[:, None]), 0))
    _states(chart, values, np.maximum(sums, 0), sums > 0)
    chart.key(STATES)
    return chart


def _across(content: Content, unit: Unit) -> Chart:
    rows, names = content.shown, content.data.inputs
    first, second = strongest(np.abs(unit.weights) * content.data.rows.std(axis=0), 2)
    x = Axis.over(content.label(first), rows[:, first])
    y = Axis.over(content.label(second), rows[:, second])
    chart = Chart(
        About(
            "fold",
            FOLD,
            f"The plane of {names[first]} and {names[second]}, parted by a straight crease: on one "
            "side the unit is on, on the other it is off.",
        ),
        x,
        y,
    )
    points = mesh(content.medians, first, second, x, y)
    filled(chart, unit.sums(points).reshape(GRID, GRID), (0, np.inf), "area region")
    _states(chart, rows[:, first], rows[:, second], unit.sums(rows) > 0)
    chart.key({**STATES, "the unit is on": "area region"})
    return chart


def _states(chart: Chart, x: Floats, y: Floats, on: NDArray[np.bool_]) -> None:
    chart.dots(x[~on], y[~on], STATES["off"])
    chart.dots(x[on], y[on], STATES["on"])
