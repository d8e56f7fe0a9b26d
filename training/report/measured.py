"""What was measured: the learning curve, held-out predictions, coverage and the comparison."""

import numpy as np

from training.evaluate import MISTAKES
from training.report.chart import BOTTOM, TOP, Axis, Chart
from training.report.content import Content, Floats, evenly, label
from training.report.svg import About, figure, signed

NEAR = 12  # between two dots whose numbers would cover each other


def learning(content: Content) -> Chart:
    """Mean absolute error on used and on held-out rows, as the training went on."""
    steps = np.array([float(seen.step) for seen in content.history])
    used = np.array([seen.training for seen in content.history])
    held_out = np.array([seen.held_out for seen in content.history if seen.held_out is not None])
    x = Axis("training step", 0, steps.max())
    unit = content.manifest.output.unit
    what = f"mean absolute error ({unit})" if unit else "mean absolute error"
    y = Axis(what, 0, 1.06 * max(*used, *held_out))
    chart = Chart(
        About(
            "learning",
            "The learning curve",
            f"The error on the rows in use goes from {figure(used[0])} to {figure(used[-1])}"
            + (
                f", on held-out rows from {figure(held_out[0])} to {figure(held_out[-1])}."
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
    """The places of the held-out rows that are furthest from the truth, the furthest first."""
    error = np.abs(content.predicted - content.truth)
    return [int(place) for place in np.argsort(-error, kind="stable")[:MISTAKES]]


def measured(content: Content) -> Chart:
    """Each held-out row's truth over its prediction, and the interval around that."""
    predicted, truth, inside = content.predicted, content.truth, content.inside
    interval, output = content.manifest.interval, content.manifest.output
    width = interval.half_width if interval else 0.0
    held = f"; {int(inside.sum()):,} of {len(truth):,} lie in their interval" if interval else ""
    named = worst(content)
    places = sorted({*evenly(len(truth)).tolist(), *named})
    x = Axis.over(f"predicted, held out: {label(output)}", predicted[places])
    y = Axis.over(
        f"measured: {label(output)}",
        truth[places],
        predicted[places] - width,
        predicted[places] + width,
    )
    chart = Chart(
        About(
            "measured",
            "Measured against predicted",
            f"A dot for each row{held}; perfect predictions are on the diagonal.",
        ),
        x,
        y,
        height=420,
    )
    for place in places if interval else ():
        middle = predicted[place]
        chart.line(np.full(2, middle), np.array([middle - width, middle + width]), "whisker")
    ends = np.array([max(x.low, y.low), min(x.high, y.high)])
    chart.line(ends, ends, "line ideal")
    for place in places:
        kind = "dot inside" if inside[place] else "dot missed"
        says = f"predicted {figure(predicted[place])}, measured {figure(truth[place])}"
        chart.dot(predicted[place], truth[place], kind, f"{content.name(place)}: {says}")
    _number(chart, predicted[named], truth[named])
    if interval:
        chart.key(
            {
                "inside": "dot inside",
                "outside": "dot missed",
                f"{interval.coverage:.0%} interval": "whisker",
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
    unit = content.manifest.output.unit
    error = f"difference of the error ({unit})" if unit else "difference of the error"
    chart = Chart(
        About(
            "comparison",
            "Against least squares",
            "; ".join(
                f"{name} {signed(a)} to {signed(b)}"
                for name, a, b in zip(names, low, high, strict=True)
            ),
        ),
        Axis.over(error, low, high, np.zeros(1)),
        Axis("", len(lines) - 0.5, -0.5, names),
        height=26 * len(lines) + TOP + BOTTOM,
    )
    chart.line(np.zeros(2), np.array([chart.y.low, chart.y.high]), "line ideal")
    for place, (a, b) in enumerate(zip(low, high, strict=True)):
        chart.line(np.array([a, b]), np.full(2, place), "whisker strong")
        tip = f"{names[place]}: {signed(a)} to {signed(b)}"
        chart.dot((a + b) / 2, place, "dot inside", tip)
    chart.key({"95% interval": "whisker strong", "least squares": "line ideal"})
    return chart
