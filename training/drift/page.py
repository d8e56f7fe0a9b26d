"""Drift as a page: each column's cumulative shares, as trained and as asked."""

from collections.abc import Sequence

import numpy as np

from training.drift.log import Asked, Floats
from training.drift.measure import Drift
from training.report.chart import Axis, Chart
from training.report.page import document, header, listed
from training.report.sections import Figure, Section, Table
from training.report.svg import About, figure

HEADER = ("mean of", "trained", "asked", "shift", "out of range", "KS", "PSI", "by chance", "")
TEXT = (
    "Each line says which share of the rows lies at or below a value. Where both lines run "
    "together nothing has changed."
)


def render(asked: Asked, found: Sequence[Drift], threshold: float) -> str:
    """The whole page."""
    title = f"{asked.model} version {asked.version}: drift"
    facts = {"rows asked": f"{len(asked.rows):,}", "rows of training": f"{len(found[0].trained):,}"}
    head = header(title, lead(found, threshold), facts)
    table = Table("Asked against trained", HEADER, [cells(each, threshold) for each in found])
    figures = [Figure(cumulative(each, number)) for number, each in enumerate(found, 1)]
    section = Section("What is asked, and what was trained on", TEXT, figures, below=[table])
    return document(title, head, [section])


def lead(found: Sequence[Drift], threshold: float) -> str:
    """The finding in a sentence."""
    drifted = [each.name for each in found if each.drifted(threshold)]
    if not drifted:
        return "What is asked is what the version was trained on, as far as can be told."
    return f"What is asked is not what the version was trained on, by its {listed(drifted)}."


def cells(each: Drift, threshold: float) -> list[str]:
    """A line of the table."""
    return [
        each.name,
        figure(each.trained.mean()),
        figure(each.asked.mean()),
        f"{each.shift:+.2f} sd",
        f"{each.outside:.1%}",
        f"{each.ks:.2f}",
        f"{each.psi:.2f}",
        f"{each.chance:.2f}",
        "drift" if each.drifted(threshold) else "",
    ]


def cumulative(each: Drift, number: int) -> Chart:
    """The cumulative shares of both, as steps."""
    about = About(
        f"drift-{number}",
        each.name,
        f"The cumulative shares of the rows of training and of those that were asked; they are at "
        f"most {each.ks:.2f} apart.",
    )
    label = f"{each.name} ({each.unit})" if each.unit else each.name
    x = Axis.over(label, each.trained, each.asked)
    chart = Chart(about, x, Axis("share of the rows", 0, 1.02))
    for values, kind in ((each.trained, "line second"), (each.asked, "line")):
        chart.line(*_steps(values, x), kind)
    chart.key({"asked": "line", "trained": "line second"})
    return chart


def _steps(values: Floats, x: Axis) -> tuple[Floats, Floats]:
    """The corners of the cumulative shares over the whole axis."""
    places, counts = np.unique(values, return_counts=True)
    shares = np.concatenate([[0.0], np.cumsum(counts) / len(values)])
    return np.concatenate([[x.low], np.repeat(places, 2), [x.high]]), np.repeat(shares, 2)
