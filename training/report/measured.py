"""What was measured: the learning curve, held-out predictions, coverage and the comparison."""

import numpy as np

from training.report.chart import BOTTOM, TOP, Axis, Chart
from training.report.content import Content, Floats
from training.report.svg import About, signed

WORST = 5
NEAR = 12  # between two dots whose numbers would cover each other


def learning(content: Content) -> Chart:
    """Mean absolute error on used and on held-out rows, as the training went on."""
    steps = np.array([float(seen.step) for seen in content.history])
    used = np.array([seen.training for seen in content.history])
    held_out = np.array([seen.held_out for seen in content.history if seen.held_out is not None])
    x = Axis("training step", 0, steps.max())
    y = Axis("mean absolute error (kcal)", 0, 1.06 * max(*used, *held_out))
    chart = Chart(
        About(
            "learning",
            "The learning curve",
            f"The error on the rows in use goes from {used[0]:.1f} to {used[-1]:.1f} kcal"
            + (
                f", on held-out rows from {held_out[0]:.1f} to {held_out[-1]:.1f}."
                if len(held_out)
                else "."
            ),
        ),
        x,
        y,
    )
    chart.line(steps, used, "line second")
    if len(held_out) == len(steps):
        chart.line(steps, held_out)
    chart.key({"held-out rows": "line", "rows in use": "line second"})
    return chart


def worst(content: Content) -> list[int]:
    """The rows whose held-out prediction is furthest from the truth, the furthest first."""
    error = np.abs(content.predicted - content.data.target)
    return [int(row) for row in np.argsort(-error, kind="stable")[:WORST]]


def measured(content: Content) -> Chart:
    """Each row's truth over its held-out prediction, and the interval around that."""
    predicted, truth = content.predicted, content.data.target
    low, high = predicted - content.half_widths, predicted + content.half_widths
    x = Axis.over("predicted, held out (kcal)", predicted)
    y = Axis.over("measured (kcal)", truth, low, high)
    inside = content.inside
    chart = Chart(
        About(
            "measured",
            "Measured against predicted",
            f"A dot for each row; {int(inside.sum())} of {len(truth)} lie in their interval, "
            "and perfect predictions on the diagonal.",
        ),
        x,
        y,
        height=420,
    )
    named = worst(content)
    rows = sorted({*content.sample.tolist(), *named})
    for row in rows:
        chart.line(np.full(2, predicted[row]), np.array([low[row], high[row]]), "whisker")
    ends = np.array([max(x.low, y.low), min(x.high, y.high)])
    chart.line(ends, ends, "line ideal")
    for row in rows:
        kind = "dot inside" if inside[row] else "dot missed"
        says = f"predicted {predicted[row]:.0f} kcal, measured {truth[row]:g} kcal"
        chart.dot(predicted[row], truth[row], kind, f"{content.name(row)}: {says}")
    _number(chart, predicted[named], truth[named])
    chart.key(
        {
            "inside": "dot inside",
            "outside": "dot missed",
            f"{content.coverage:.0%} interval": "whisker",
        }
    )
    return chart


def _number(chart: Chart, x: Floats, y: Floats) -> None:
    """Number the points from 1; those that lie on each other share one note."""
    notes: dict[tuple[int, int], list[int]] = {}
    for place, (across, up) in enumerate(chart.places(x, y)):
        near = (k for k in notes if abs(k[0] - across) < NEAR and abs(k[1] - up) < NEAR)
        notes.setdefault(next(near, (round(across), round(up))), []).append(place)
    for places in notes.values():
        text = ", ".join(str(place + 1) for place in places)
        chart.note(x[places].mean(), y[places].max(), text)


def calibration(content: Content) -> Chart:
    """The share of truths that intervals held, over the share they were made for."""
    nominal, observed = (100 * np.array(each) for each in zip(*content.calibration, strict=True))
    axis = Axis.over("", nominal, observed)
    chart = Chart(
        About(
            "calibration",
            "Calibration of the intervals",
            "Observed over nominal coverage: "
            + ", ".join(
                f"{n:.0f} % held {o:.0f} %" for n, o in zip(nominal, observed, strict=True)
            ),
        ),
        Axis("nominal coverage (%)", axis.low, axis.high),
        Axis("observed coverage (%)", axis.low, axis.high),
    )
    chart.line(np.array([axis.low, axis.high]), np.array([axis.low, axis.high]), "line ideal")
    chart.line(nominal, observed)
    for n, o in zip(nominal, observed, strict=True):
        chart.dot(n, o, "dot inside", f"{n:.0f} % nominal, {o:.1f} % observed")
    chart.key({"observed": "line", "as promised": "line ideal"})
    return chart


def comparison(content: Content) -> Chart:
    """Each line's difference to least squares, with its confidence interval."""
    lines = content.comparison
    low, high = np.array([line.difference for line in lines]).T
    names = tuple(line.name for line in lines)
    chart = Chart(
        About(
            "comparison",
            "Against least squares",
            "; ".join(
                f"{name} {signed(a)} to {signed(b)} kcal"
                for name, a, b in zip(names, low, high, strict=True)
            ),
        ),
        Axis.over("difference of the error (kcal)", low, high, np.zeros(1)),
        Axis("", len(lines) - 0.5, -0.5, names),
        height=26 * len(lines) + TOP + BOTTOM,
    )
    chart.line(np.zeros(2), np.array([chart.y.low, chart.y.high]), "line ideal")
    for place, (a, b) in enumerate(zip(low, high, strict=True)):
        chart.line(np.array([a, b]), np.full(2, place), "whisker strong")
        tip = f"{names[place]}: {signed(a)} to {signed(b)} kcal"
        chart.dot((a + b) / 2, place, "dot inside", tip)
    chart.key({"95% interval": "whisker strong", "least squares": "line ideal"})
    return chart
