"""Which sections a model gets, and what they say."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.manifest import Compared, Coverage, Noise, Score
from training.gate import LEAST
from training.learners import BOOSTING, LEAST_SQUARES
from training.report import diagram, measured, plane, rectifier
from training.report.content import Content, Floats, label
from training.report.svg import MINUS, Picture, figure, signed

WIDEST = 5  # units of a layer that a table beside a figure has room for
ERRORS = ("measured", "predicted", "error")


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
    """A heading, paragraphs, figures, and tables beside a single figure and below.

    Between two paragraphs is an empty line.
    """

    title: str
    text: str
    figures: Sequence[Figure] = ()
    tables: Sequence[Table] = ()
    below: Sequence[Table] = ()


def sections(content: Content) -> list[Section]:
    """The sections that make sense for the model and for what was measured of it."""
    chosen = [_purpose(content)]
    if content.networks:
        chosen.append(_network(content) if len(content.networks[0]) > 1 else _unit(content))
    if content.rectified:
        chosen.append(_rectifier(content))
    chosen.append(_answers(content))
    if content.history:
        chosen.append(_learning(content))
    if len(content.tested):
        chosen.append(_measured(content))
    if content.calibration:
        chosen.append(_calibration(content))
    if content.manifest.evaluation:
        chosen.append(_comparison(content))
    return [section for section in chosen if section]


def _purpose(content: Content) -> Section | None:
    """What the model is for and what it was made from, where the table's card says so."""
    manifest, data = content.manifest, content.manifest.data
    said = [manifest.intended_use, manifest.not_for and f"Not for: {manifest.not_for}"]
    if data and data.origin:
        year = f", {data.year}" if data.year else ""
        said.append(f"The data: {data.origin.rstrip('.')}{year}.")
    text = "\n\n".join(filter(None, said))
    return Section("What it is for", text) if text else None


def _unit(content: Content) -> Section:
    [(kernel, bias)] = content.networks[0]
    formula = _formula(content, kernel[:, 0], float(bias[0]))
    text = (
        f"`{content.manifest.output.name} = {formula}`. Each weight says how much one unit "
        "more of an input adds; the bias is the answer where every input is 0."
    )
    return Section("The linear unit", text, [Figure(diagram.unit(content))])


def _network(content: Content) -> Section:
    members = len(content.networks)
    which = f"The first of {members} networks whose answers are averaged. " if members > 1 else ""
    text = (
        f"{which}A line is a weight, the wider the stronger within its layer; a disc is a unit, "
        "the fuller the more of the rows switch it on. A weight of the first layer is for one unit "
        "more of its input, and as wide as what a usual change of that input does. The bias beside "
        f"the answer is {content.manifest.output.name} as the last layer begins with it."
    )
    picture = Figure(diagram.network(content), _drawn(content))
    return Section("The network", text, [picture], _weights(content))


def _drawn(content: Content) -> str:
    widest = max(max(kernel.shape) for kernel, _ in content.networks[0])
    part = (
        f" Of more inputs, and of a wider layer, the {diagram.UNITS} with the strongest weights "
        "are drawn."
        if widest > diagram.UNITS
        else ""
    )
    return f"Point at a line or a disc to read it.{part}"


def _weights(content: Content) -> list[Table]:
    """A table a layer, for a network whose layers are narrow enough to be read as numbers."""
    if max(max(kernel.shape) for kernel, _ in content.networks[0]) > WIDEST:
        return []
    tables = []
    sources = content.data.inputs
    for number, (kernel, bias) in enumerate(content.networks[0], 1):
        last = number == len(content.networks[0])
        targets = (
            (content.manifest.output.name,)
            if last
            else tuple(f"unit {i + 1}" for i in range(len(bias)))
        )
        rows = [
            (name, *map(signed, weights))
            for name, weights in zip((*sources, "bias"), (*kernel, bias), strict=True)
        ]
        tables.append(Table(f"Layer {number}", ("from", *targets), rows))
        sources = targets
    return tables


def _rectifier(content: Content) -> Section:
    unit = rectifier.telling_unit(content)
    formula = _formula(content, unit.weights, unit.bias)
    text = (
        "A unit of a hidden layer sums its inputs and passes on what is above zero; below, it is "
        f"silent. Unit {unit.number} of the first layer sums "
        f"`{formula}`. Without it the answers would move by "
        f"{_amount(content, unit.effect)} on average."
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
    inputs, output = content.data.inputs, content.manifest.output.name
    flat = bool(content.networks) and len(content.networks[0]) == 1
    drawn = plane.strongest(plane.reach(content), plane.LINES)
    lines = [Figure(plane.against(content, index)) for index in drawn]
    bent = "" if flat else "How the model bends the "
    if len(inputs) == 1:
        text = "The model's answer to every value of its input, over the data."
        return Section(f"{bent or 'The '}line", text, lines)
    some = "" if len(drawn) == len(inputs) else f"the {len(drawn)} that move it most of its "
    which = f"{some}{len(inputs)} inputs" if some else "each input"
    text = (
        f"{output} against {which}, the others at their median. "
        + ("The answers lie on a plane. " if flat else "")
        + ("A crease is a unit switching on or off. " if content.rectified else "")
        + "Dots are the data; those whose other inputs are far from the median lie off the line."
    )
    picture = Figure(plane.plane(content), "Where there are no dots, the model is on its own.")
    return Section(f"{bent or 'The '}plane", text, [*lines, picture])


def _learning(content: Content) -> Section:
    last = content.history[-1]
    held_out = f" and {figure(last.held_out)} on the others" if last.held_out is not None else ""
    text = (
        "The mean absolute error while the weights were found, on the rows in use and on those "
        f"that were held out, over all folds. After {last.step:,} steps it is "
        f"{_amount(content, last.training)} on the rows in use{held_out}."
    )
    return Section("Learning", text, [Figure(measured.learning(content))])


def _measured(content: Content) -> Section:
    inside, rows = int(content.inside.sum()), len(content.tested)
    interval, evaluation = content.manifest.interval, content.manifest.evaluation
    text = "Every prediction here was made by a fit that had not seen the row."
    if interval:
        text += (
            f" {inside:,} of {rows:,} rows ({inside / rows:.0%}) lie in their "
            f"{interval.coverage:.0%} interval."
        )
    if evaluation and evaluation.noise:
        text += f"\n\n{_noise(content, evaluation.noise)}"
    caption = "The numbers are the rows of the table. Point at a dot to read its name."
    return Section(
        "Predicted and measured",
        text,
        [Figure(measured.measured(content), caption)],
        [_worst(content)],
    )


def _noise(content: Content, noise: Noise) -> str:
    return (
        f"{noise.rows:,} rows share all inputs with another. Whatever is computed from the inputs "
        f"is off by {_amount(content, noise.mean_absolute_error)} on average on these, at least; "
        f"among rows with the same inputs {content.manifest.output.name} has a standard deviation "
        f"of {figure(noise.standard_deviation)}."
    )


def _worst(content: Content) -> Table:
    rows = [
        (
            f"{number}. {content.name(place)}",
            figure(content.truth[place]),
            figure(content.predicted[place]),
            signed(content.predicted[place] - content.truth[place]),
        )
        for number, place in enumerate(measured.worst(content), 1)
    ]
    header = (f"{content.manifest.output.name}{_unit_of(content)}", *ERRORS)
    return Table("The largest errors", header, rows)


def _calibration(content: Content) -> Section:
    text = (
        "An interval that promises 80% should hold 80% of the truths. The nearer to the "
        "diagonal, the more can be made of the promise. It is a promise for all rows together: "
        "the tables say for which rows it holds more or less."
    )
    rows = [(f"{nominal:.0%}", f"{observed:.1%}") for nominal, observed in content.calibration]
    held = Table("Share of held-out rows in their interval", ("promised", "held"), rows)
    found = content.manifest.evaluation and content.manifest.evaluation.coverage
    below = [_by_prediction(content, found), _by_input(content, found)] if found else []
    return Section("Calibration", text, [Figure(measured.calibration(content))], [held], below)


def _by_prediction(content: Content, found: Coverage) -> Table:
    what = f"{content.manifest.output.name}, predicted{_unit_of(content)}"
    rows = [
        (f"{figure(part.low)} to {figure(part.high)}", f"{part.rows:,}", f"{part.coverage:.0%}")
        for part in found.by_prediction
    ]
    return Table("Held, by the size of the prediction", (what, "rows", "held"), rows)


def _by_input(content: Content, found: Coverage) -> Table:
    """A line an input: as many rows in each part, as far as equal values let."""
    rows = []
    for quantity in content.manifest.inputs:
        parts = found.by_input.get(quantity.name, ())
        cells = [
            f"{figure(part.low)} to {figure(part.high)}: {part.coverage:.0%}" for part in parts
        ]
        rows.append((label(quantity), *cells, *[""] * (3 - len(cells))))
    return Table("Held, by each input", ("", "low", "middle", "high"), rows)


def _comparison(content: Content) -> Section:
    if content.comparison:
        text = (
            f"{_winner(content)}\n\nEvery line is of the same folds, with settings chosen inside "
            "them. The picture shows how far each error is from that of least squares."
        )
        picture = Figure(measured.comparison(content), "Left of the dotted line is better.")
        return Section("Comparison", text, [picture], below=[_lines(content)])
    evaluation = content.manifest.evaluation
    assert evaluation  # noqa: S101  there is no such section without one
    scores = {content.manifest.model: evaluation.model, **evaluation.baselines}
    rows = [(name, *_figures(score)) for name, score in scores.items()]
    return Section(
        "Comparison",
        "Beside the baselines.",
        below=[Table(evaluation.folds, _scores(content), rows, content.manifest.model)],
    )


def _winner(content: Content) -> str:
    """Who is best of the model, least squares and gradient boosting, and by how much."""
    [ours] = [line for line in content.comparison if line.lead is None]
    rivals = [line for line in content.comparison if line.name in (LEAST_SQUARES, BOOSTING)]
    first = min((ours, *rivals), key=lambda line: line.mean_absolute_error)
    own = _amount(content, ours.mean_absolute_error)
    if first is ours:
        text = f"{ours.name} wins, off by {own} on average: "
    else:
        text = f"{first.name} wins; {ours.name} is off by {own} on average: "
    return text[0].upper() + text[1:] + "; ".join(_against(ours, line) for line in rivals) + "."


def _against(ours: Compared, line: Compared) -> str:
    gain = ours.mean_absolute_error - line.mean_absolute_error
    low, high = line.lead or (0.0, 0.0)
    sure = "" if low > 0 or high < 0 else ", which may be chance"
    share = abs(gain) / max(line.mean_absolute_error, LEAST)
    return (
        f"{figure(abs(gain))} ({share:.0%}) {'less' if gain < 0 else 'more'} than {line.name} "
        f"(95% interval of the difference {signed(low)} to {signed(high)}{sure})"
    )


def _lines(content: Content) -> Table:
    evaluation = content.manifest.evaluation
    apart = any(line.apart is not None for line in content.comparison)
    rows = [
        (
            line.name,
            *_figures(line),
            *([figure(line.apart) if line.apart is not None else ""] if apart else []),
            " to ".join(map(signed, line.difference)),
            f"{line.seconds:.1f}",
        )
        for line in content.comparison
    ]
    flattered = ["mean absolute error, alike rows apart"] if apart else []
    header = (*_scores(content), *flattered, "difference to least squares, 95%", "fits (s)")
    [ours] = [line.name for line in content.comparison if line.lead is None]
    return Table(evaluation.folds if evaluation else "", header, rows, ours)


def _scores(content: Content) -> tuple[str, ...]:
    unit = _unit_of(content)
    return ("", f"mean absolute error{unit}", f"root mean squared error{unit}", "R²")


def _figures(score: Score) -> tuple[str, str, str]:
    return (
        figure(score.mean_absolute_error),
        figure(score.root_mean_squared_error),
        f"{score.r2:.3f}".replace("-", MINUS),
    )


def _unit_of(content: Content) -> str:
    """The output's unit in brackets, if it has one."""
    unit = content.manifest.output.unit
    return f" ({unit})" if unit else ""


def _amount(content: Content, value: float) -> str:
    """A figure with the output's unit."""
    return f"{figure(value)} {content.manifest.output.unit}".rstrip()


def _formula(content: Content, weights: Floats, bias: float) -> str:
    """The weighted sum; of very many inputs those that move it most."""
    shown = plane.strongest(np.abs(weights) * content.data.rows.std(axis=0), diagram.SUMMED)
    terms = [
        f"{MINUS if weights[place] < 0 else '+'} {figure(abs(weights[place]))} · "
        f"{content.data.inputs[place]}"
        for place in shown
    ]
    more = ["+ …"] if len(shown) < len(weights) else []
    return " ".join([figure(bias), *terms, *more])
