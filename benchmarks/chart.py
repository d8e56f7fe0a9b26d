"""The picture: what one row costs, and how many rows a second come back."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks.bodies import BATCHES, ONE
from benchmarks.results import NotMeasured, Results
from benchmarks.subjects import PEERS, SUBJECTS, Subject

INK = "#7d8590"  # between black and white: readable on either
COLOURS = {"service": "#2f81f7", "floor": "#8b949e", "peer": "#d29922"}
BUSY = 16  # connections
STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "bench",
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
}
MANY = [body for body in BATCHES if body.count == 1000]


def draw(results: Results, path: Path) -> None:
    """Write an SVG with a transparent ground."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9, 6.5), layout="constrained")
        cost, many = figure.subplots(2, 1, height_ratios=(3, 2))
        _bars(cost, _found(lambda s: results.processor(s, ONE, BUSY)))
        cost.set_title(f"Processor time a request: one row, {BUSY} connections", loc="left")
        cost.set_xlabel("µs; shorter is better")
        bars = [
            (f"{name}, {body.form}", kind, value)
            for body in MANY
            for name, kind, value in _found(
                lambda s, body=body: results.rows_a_second(s, body, BUSY)  # type: ignore[misc]
            )
        ]
        _bars(many, bars)
        many.set_title(f"Rows a second: 1,000 rows a request, {BUSY} connections", loc="left")
        many.set_xlabel("rows a second; longer is better")
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, transparent=True, metadata={"Date": None})


Bar = tuple[str, str, float]


def _found(value: Callable[[Subject], float]) -> list[Bar]:
    bars = []
    for subject in (*SUBJECTS, *PEERS):
        try:
            bars.append((subject.name, subject.kind, value(subject)))
        except NotMeasured:
            continue
    return sorted(bars, key=lambda bar: bar[2], reverse=True)


def _bars(axes: Any, bars: list[Bar]) -> None:
    if not bars:
        return
    names, kinds, values = zip(*bars, strict=True)
    drawn = axes.barh(names, values, color=[COLOURS[kind] for kind in kinds])
    axes.bar_label(drawn, [f"{value:,.0f}" for value in values], padding=3, color=INK)
    axes.set_xlim(0, max(values) * 1.15)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.tick_params(colors=INK, which="both")
    axes.spines[["top", "right"]].set_visible(False)
