"""Which sections a model gets, and what they say."""

from collections.abc import Sequence
from dataclasses import dataclass

from models.manifest import Score
from training.report import diagram, measured, plane, rectifier
from training.report.content import Content, Floats
from training.report.svg import MINUS, Picture, signed, signless

WIDEST = 5  # units of a layer that a table beside a figure has room for
SCORES = ("", "mean absolute error (kcal)", "root mean squared error (kcal)", "R²")


@dataclass(frozen=True)
class Figure:
    """A picture with a caption; what is between backticks is code."""

    picture: Picture
    caption: str = ""


@dataclass(frozen=True)
class Table:
    """The first cell of each row names it; the row called `marked` stands out."""

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    marked: str = ""


@dataclass(frozen=True)
class Section:
    """A heading, a paragraph, figures, and tables beside a single figure and below."""

    title: str
    text: str
    figures: Sequence[Figure] = ()
    tables: Sequence[Table] = ()
    below: Sequence[Table] = ()


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


def _unit(content: Content) -> Section:
    [(kernel, bias)] = content.networks[0]
    text = (
        f"`calories = {_formula(content.data.inputs, kernel[:, 0], bias[0])}`. Each weight says "
        "how many kilocalories one gram more brings; the bias is the answer to none of anything."
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


def _drawn(content: Content) -> str:
    part = (
        f" Of a wider layer the {diagram.UNITS} units with the strongest weights are drawn."
        if max(content.architecture.widths) > diagram.UNITS
        else ""
    )
    return f"Point at a line or a disc to read it.{part}"


def _weights(content: Content) -> list[Table]:
    """A table a layer, for a network whose layers are narrow enough to be read as numbers."""
    if max(content.architecture.widths) > WIDEST:
        return []
    tables = []
    sources = content.data.inputs
    for number, (kernel, bias) in enumerate(content.networks[0], 1):
        last = number == len(content.networks[0])
        targets = ("calories",) if last else tuple(f"unit {i + 1}" for i in range(len(bias)))
        rows = [
            (name, *map(signed, weights))
            for name, weights in zip((*sources, "bias"), (*kernel, bias), strict=True)
        ]
        tables.append(Table(f"Layer {number}", ("from", *targets), rows))
        sources = targets
    return tables


def _rectifier(content: Content) -> Section:
    unit = rectifier.telling_unit(content)
    text = (
        "A unit of a hidden layer sums its inputs and passes on what is above zero; below, it is "
        f"silent. Unit {unit.number} of the first layer sums "
        f"`{_formula(content.data.inputs, unit.weights, unit.bias)}`. Without it the answers "
        f"would move by {unit.effect:.1f} kcal on average."
    )
    others = "; the crease is drawn for the median of the others." if len(unit.weights) > 2 else "."
    return Section(
        "The ReLU",
        text,
        [
            Figure(
                rectifier.relu(content, unit), "Each dot is a row of the data, as the unit sees it."
            ),
            Figure(
                rectifier.fold(content, unit), f"A dot is on or off by all of its inputs{others}"
            ),
        ],
    )


def _answers(content: Content) -> Section:
    inputs, flat = content.data.inputs, not content.architecture.hidden
    lines = [Figure(plane.against(content, index)) for index in range(len(inputs))]
    if len(inputs) == 1:
        text = "The model's answer to every amount, with its interval, over the data."
        return Section("The line" if flat else "How the stack bends the line", text, lines)
    text = (
        "Calories against each input, the others at their median. "
        + ("The answers lie on a plane. " if flat else "A crease is a unit switching on or off. ")
        + "Dots are the data; those whose other inputs are far from the median lie off the line."
    )
    picture = Figure(plane.plane(content), "Where there are no dots, the model is on its own.")
    return Section(
        "The plane" if flat else "How the stack bends the plane", text, [*lines, picture]
    )


def _learning(content: Content) -> Section:
    last = content.history[-1]
    held_out = f" and {last.held_out:.1f} kcal on the others" if last.held_out is not None else ""
    text = (
        "The mean absolute error while the weights were found, on the rows in use and on those "
        f"that were held out, over all folds. After {last.step:,} steps it is "
        f"{last.training:.1f} kcal on the rows in use{held_out}."
    )
    return Section("Learning", text, [Figure(measured.learning(content))])


def _measured(content: Content) -> Section:
    inside, rows = int(content.inside.sum()), len(content.data)
    text = (
        "Every prediction here was made by networks that had not seen the row. "
        f"{inside:,} of {rows:,} rows ({inside / rows:.0%}) lie in their {content.coverage:.0%} "
        "interval."
    )
    caption = "The numbers are the rows of the table. Point at a dot to read its name."
    return Section(
        "Predicted and measured",
        text,
        [Figure(measured.measured(content), caption)],
        [_worst(content)],
    )


def _worst(content: Content) -> Table:
    rows = [
        (
            f"{place}. {content.name(row)}",
            f"{content.data.target[row]:g}",
            f"{content.predicted[row]:.0f}",
            signed(content.predicted[row] - content.data.target[row]),
        )
        for place, row in enumerate(measured.worst(content), 1)
    ]
    header = ("cereal", "measured (kcal)", "predicted (kcal)", "error (kcal)")
    return Table("The five that it gets most wrong", header, rows)


def _calibration(content: Content) -> Section:
    text = (
        "An interval that promises 80% should hold 80% of the truths. The nearer to the "
        "diagonal, the more can be made of the promise."
    )
    rows = [(f"{nominal:.0%}", f"{observed:.1%}") for nominal, observed in content.calibration]
    held = Table("Share of held-out rows in their interval", ("promised", "held"), rows)
    return Section("Calibration", text, [Figure(measured.calibration(content))], [held])


def _comparison(content: Content) -> Section:
    if content.comparison:
        text = (
            "Every architecture and baseline on the same folds, and how far its mean absolute "
            "error is from that of least squares."
        )
        picture = Figure(measured.comparison(content), "Left of the dotted line is better.")
        return Section("Comparison", text, [picture], below=[_lines(content)])
    text = (
        "On the same folds as the baselines. `python -m training evaluate` prints every "
        "architecture beside them, with confidence intervals and the seconds that fitting takes."
    )
    scores = {content.model: content.evaluation.model, **content.evaluation.baselines}
    rows = [(name, *_figures(score)) for name, score in scores.items()]
    table = Table(content.evaluation.folds, SCORES, rows, content.model)
    return Section("Comparison", text, below=[table])


def _lines(content: Content) -> Table:
    rows = [
        (
            line.name,
            *_figures(line),
            " to ".join(map(signed, line.difference)),
            f"{line.seconds:.2f}",
        )
        for line in content.comparison
    ]
    header = (*SCORES, "difference to least squares, 95% (kcal)", "fit (s)")
    return Table(content.evaluation.folds, header, rows, content.architecture.name)


def _figures(score: Score) -> tuple[str, str, str]:
    return (
        f"{score.mean_absolute_error:.2f}",
        f"{score.root_mean_squared_error:.2f}",
        signless(score.r2),
    )


def _formula(names: Sequence[str], weights: Floats, bias: float) -> str:
    """The weighted sum, three digits a number."""
    text = f"{bias:.3g}"
    for name, weight in zip(names, weights, strict=True):
        text += f" {'-' if weight < 0 else '+'} {abs(weight):.3g} · {name}"
    return text.replace("-", MINUS)
