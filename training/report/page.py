"""The page: which sections a model gets, and what they say."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from string import Template

import numpy as np

from models.manifest import Score
from training.report import diagram, measured, plane, rectifier, svg
from training.report.content import Content
from training.report.svg import Picture, signed

HERE = Path(__file__).parent
PAGE = Template((HERE / "page.html").read_text())
STYLE = svg.STYLE + (HERE / "page.css").read_text()
WIDEST = 5  # units of a layer that a table beside a figure has room for


@dataclass(frozen=True)
class Figure:
    """A picture with a caption in plain text."""

    picture: Picture
    caption: str = ""


@dataclass(frozen=True)
class Section:
    """A heading, a paragraph in plain text, figures, and tables beside and below them."""

    title: str
    text: str
    figures: Sequence[Figure] = ()
    table: str = ""
    below: str = ""


def sections(content: Content) -> list[Section]:
    """The sections that make sense for the architecture and for what was measured."""
    chosen = [_network(content) if content.architecture.hidden else _unit(content)]
    if content.rectified:
        chosen.append(_rectifier(content))
    chosen.append(_answers(content))
    if content.history:
        chosen.append(_learning(content))
    chosen.append(_measured(content))
    if content.calibration:
        chosen.append(_calibration(content))
    chosen.append(_comparison(content))
    return chosen


def render(content: Content, shown: Sequence[Section]) -> str:
    """The whole page."""
    body = "\n".join([_head(content), *map(_section, shown)])
    return PAGE.substitute(title=f"{escape(content.model)}: report", style=STYLE, body=body)


def _head(content: Content) -> str:
    architecture, score = content.architecture, content.evaluation.model
    names = _list(content.data.inputs)
    facts = [
        ("mean absolute error on rows that were held out", f"{score.mean_absolute_error:.1f} kcal"),
        ("R², the share of the variance explained, held out", f"{score.r2:.2f}"),
        (
            f"half the {content.coverage:.0%} interval" + _on_average(content),
            f"± {content.half_widths.mean():.1f} kcal",
        ),
        ("weights and biases", f"{architecture.parameters:,}"),
    ]
    rows = "".join(f"<div><dt>{escape(what)}</dt><dd>{fact}</dd></div>" for what, fact in facts)
    lead = (
        f"The calories of a serving of cereal from its {names}: {_what(content)}, fitted on "
        f"{len(content.data):,} rows of {content.data.source}."
    )
    return (
        f'<header><h1>{escape(content.model)}</h1>\n<p class="lead">{escape(lead)}</p>\n'
        f'<dl class="facts">{rows}</dl></header>'
    )


def _unit(content: Content) -> Section:
    [(kernel, bias)] = content.networks[0]
    terms = "".join(
        f" {signed(weight)[0]} {abs(weight):.2f} · {name}"
        for name, weight in zip(content.data.inputs, kernel[:, 0], strict=True)
    )
    text = (
        f"calories = {bias[0]:.2f}{terms}. Each weight says how many kilocalories one gram more "
        "brings; the bias is the answer to none of anything."
    )
    return Section("The linear unit", text, [Figure(diagram.unit(content))])


def _network(content: Content) -> Section:
    members = content.architecture.members
    which = f"The first of {members} networks whose answers are averaged. " if members > 1 else ""
    text = (
        f"{which}A line is a weight, the wider the stronger within its layer; a disc is a unit, "
        "the fuller the more of the rows switch it on. A weight of the first layer is for each "
        "gram, one of the last layer gives kilocalories, and so does the bias beside the answer."
    )
    picture = Figure(diagram.network(content), _drawn(content))
    return Section("The network", text, [picture], _weights(content))


def _weights(content: Content) -> str:
    """A table a layer, for a network whose widest layer fits into the width of a page."""
    if max(content.architecture.widths) > WIDEST:
        return ""
    sources = content.data.inputs
    tables = []
    for number, (kernel, bias) in enumerate(content.networks[0], 1):
        targets = [f"unit {unit + 1}" for unit in range(len(bias))]
        if number == len(content.networks[0]):
            targets = ["calories"]
        rows = [
            (name, *map(signed, weights))
            for name, weights in zip((*sources, "bias"), (*kernel, bias), strict=True)
        ]
        tables.append(table(f"Layer {number}", ("from", *targets), rows))
        sources = tuple(targets)
    return "".join(tables)


def _drawn(content: Content) -> str:
    widest = max(content.architecture.widths)
    return "Point at a line or a disc to read it." + (
        f" Of a layer the {diagram.UNITS} strongest units are drawn."
        if widest > diagram.UNITS
        else ""
    )


def _rectifier(content: Content) -> Section:
    unit = rectifier.telling_unit(content)
    terms = " ".join(
        f"{signed(w)} · {name}" for w, name in zip(unit.weights, content.data.inputs, strict=True)
    )
    text = (
        "A unit of a hidden layer sums its inputs and passes on what is above zero. Left of its "
        f"crease it is silent. Unit {unit.number} of the first layer sums {terms} "
        f"{signed(unit.bias)}; without it the answers would move by {unit.effect:.1f} kcal on "
        "average."
    )
    sides = "Each dot is a cereal, on or off by all of its inputs"
    crease = sides + (
        "." if len(unit.weights) < 3 else "; the crease has the others at their median."
    )
    return Section(
        "The ReLU",
        text,
        [
            Figure(
                rectifier.relu(content, unit), "Below zero the sum is dropped, above it passes."
            ),
            Figure(rectifier.fold(content, unit), crease),
        ],
    )


def _answers(content: Content) -> Section:
    inputs = content.data.inputs
    lines = [Figure(plane.against(content, index)) for index in range(len(inputs))]
    if len(inputs) == 1:
        text = "The model's answer to every amount, with the interval around it, over the data."
        return Section(
            "The line" if not content.architecture.hidden else "The bent line", text, lines
        )
    flat = not content.architecture.hidden
    text = (
        "Calories against each input, the others at their median. "
        + (
            "The answers lie on a plane. "
            if flat
            else "Every crease is a unit switching on or off. "
        )
        + "Dots are cereals; those whose other inputs are far from the median lie off the line."
    )
    picture = Figure(plane.plane(content), "Where there are no dots, the model is on its own.")
    return Section(
        "The plane" if flat else "How the stack bends the plane", text, [*lines, picture]
    )


def _learning(content: Content) -> Section:
    last = content.history[-1]
    text = (
        "The mean absolute error while the weights were found, on the rows in use and on those "
        f"that were held out, over all folds. After {last.step:,} steps it is "
        f"{last.training:.1f} kcal on the rows in use"
        + (f" and {last.held_out:.1f} kcal on the others." if last.held_out is not None else ".")
    )
    return Section("Learning", text, [Figure(measured.learning(content))])


def _measured(content: Content) -> Section:
    inside = int(content.inside.sum())
    rows = len(content.data)
    text = (
        "Every prediction here was made by networks that had not seen the row. "
        f"{inside:,} of {rows:,} rows ({inside / rows:.0%}) lie in their {content.coverage:.0%} "
        "interval."
    )
    return Section(
        "Predicted and measured",
        text,
        [Figure(measured.measured(content), "The numbers are the rows of the table.")],
        _worst(content),
    )


def _worst(content: Content) -> str:
    rows = [
        (
            f"{place}. {content.data.names[row].replace('_', ' ')}",
            f"{content.data.calories[row]:g}",
            f"{content.predicted[row]:.0f}",
            signed(content.predicted[row] - content.data.calories[row]),
        )
        for place, row in enumerate(measured.worst(content), 1)
    ]
    return table(
        "The five that it gets most wrong",
        ("cereal", "measured (kcal)", "predicted (kcal)", "error (kcal)"),
        rows,
    )


def _calibration(content: Content) -> Section:
    text = (
        "An interval that promises 80% should hold 80% of the truths. The nearer to the "
        "diagonal, the more can be made of the promise."
    )
    rows = [(f"{nominal:.0%}", f"{observed:.1%}") for nominal, observed in content.calibration]
    held = table("Held-out rows", ("promised", "held"), rows)
    return Section("Calibration", text, [Figure(measured.calibration(content))], held)


def _comparison(content: Content) -> Section:
    if content.comparison:
        text = (
            "Every architecture and baseline on the same folds, and how far its mean absolute "
            "error is from that of least squares."
        )
        return Section(
            "Comparison", text, [Figure(measured.comparison(content))], below=_lines(content)
        )
    text = (
        "On the same folds as the baselines. python -m training evaluate prints every architecture "
        "beside them, with confidence intervals and the seconds that fitting takes."
    )
    scores = {content.model: content.evaluation.model, **content.evaluation.baselines}
    rows = [(name, *_figures(score)) for name, score in scores.items()]
    return Section(
        "Comparison", text, table=table(content.evaluation.folds, SCORES, rows, content.model)
    )


SCORES = ("", "mean absolute error (kcal)", "root mean squared error (kcal)", "R²")


def _lines(content: Content) -> str:
    header = (*SCORES, "difference to least squares, 95 % (kcal)", "fit (s)")
    rows = [
        (
            line.name,
            *_figures(line.score),
            f"{signed(line.difference_low)} to {signed(line.difference_high)}",
            f"{line.seconds:.1f}",
        )
        for line in content.comparison
    ]
    return table(content.evaluation.folds, header, rows, content.architecture.name)


def _figures(score: Score) -> tuple[str, str, str]:
    return (
        f"{score.mean_absolute_error:.2f}",
        f"{score.root_mean_squared_error:.2f}",
        f"{score.r2:.3f}".replace("-", "\N{MINUS SIGN}"),
    )


def table(
    caption: str, header: Sequence[str], rows: Sequence[Sequence[str]], marked: str = ""
) -> str:
    """A table whose first column names its rows; the row called `marked` stands out."""
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in header)
    lines = "".join(
        f'<tr{" class=this" * (name == marked)}><th scope="row">{escape(name)}</th>'
        + "".join(f"<td>{escape(cell)}</td>" for cell in cells)
        + "</tr>\n"
        for name, *cells in rows
    )
    return (
        f'<div class="wide"><table><caption>{escape(caption)}</caption>\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>{lines}</tbody></table></div>"
    )


def _section(section: Section) -> str:
    """A single figure stands beside the words and their table, several stand below them."""
    figures = "\n".join(map(_figure, section.figures))
    words = f"<h2>{escape(section.title)}</h2>\n<p>{escape(section.text)}</p>\n{section.table}"
    if len(section.figures) == 1:
        shown = f'<div class="figures"><div>{words}</div>\n{figures}</div>'
    else:
        shown = f'{words}<div class="figures">{figures}</div>'
    return f"<section>{shown}{section.below}</section>"


def _figure(figure: Figure) -> str:
    caption = f"<figcaption>{escape(figure.caption)}</figcaption>" if figure.caption else ""
    heading = f"<h3>{escape(figure.picture.about.title)}</h3>"
    return f"<figure>{heading}{figure.picture.inline()}{caption}</figure>"


def _what(content: Content) -> str:
    architecture = content.architecture
    if not architecture.hidden:
        return "one linear unit"
    layers = _list([f"{width}" for width in architecture.hidden])
    kind = "ReLU" if content.rectified else architecture.activation
    hidden = "hidden layers" if len(architecture.hidden) > 1 else "a hidden layer"
    stack = f"{hidden} of {layers} {kind} units"
    if architecture.members == 1:
        return f"a network with {stack}"
    return f"the average of {architecture.members} networks with {stack}"


def _on_average(content: Content) -> str:
    return ", on average" if np.ptp(content.half_widths) > 0 else ""


def _list(names: Sequence[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
