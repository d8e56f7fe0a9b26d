"""The page as HTML: a head with the figures that matter most, then section by section."""

import re
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from string import Template

from training.folds import NAMED
from training.report import svg
from training.report.content import Content, label
from training.report.sections import Figure, Section, Table

HERE = Path(__file__).parent
PAGE = Template((HERE / "page.html").read_text())
STYLE = svg.STYLE + (HERE / "page.css").read_text()
MARKED = ' class="this"'


def render(content: Content, shown: Sequence[Section]) -> str:
    """The whole page of a version."""
    model = content.manifest.model
    return document(f"{model}: report", header(model, _lead(content), _facts(content)), shown)


def document(title: str, head: str, shown: Sequence[Section]) -> str:
    """A page of sections, with its style and pictures in it."""
    body = "\n".join([head, *map(_section, shown)])
    return PAGE.substitute(title=escape(title), style=STYLE, body=body)


def header(title: str, lead: str, facts: Mapping[str, str]) -> str:
    """A page's head; `facts` are figures by what they are."""
    listed = "".join(
        f"<div><dt>{escape(what)}</dt><dd>{escape(figure)}</dd></div>"
        for what, figure in facts.items()
    )
    return (
        f"<header><h1>{escape(title)}</h1>\n"
        f'<p class="lead">{escape(lead)}</p>\n<dl class="facts">{listed}</dl></header>'
    )


def _facts(content: Content) -> dict[str, str]:
    manifest, unit = content.manifest, content.manifest.output.unit
    facts = {}
    if evaluation := manifest.evaluation:
        error = svg.figure(evaluation.model.mean_absolute_error)
        facts["mean absolute error on rows that were held out"] = f"{error} {unit}".rstrip()
        if evaluation.apart:
            apart = svg.figure(evaluation.apart.model.mean_absolute_error)
            facts["the same with rows of identical inputs in different folds"] = apart
    if interval := manifest.interval:
        width = f"± {svg.figure(interval.half_width)} {unit}".rstrip()
        facts[f"the {interval.coverage:.0%} interval to either side"] = width
    if evaluation:
        r2 = f"{evaluation.model.r2:.2f}".replace("-", svg.MINUS)
        facts["R², the share of the variance explained, held out"] = r2
    if manifest.architecture:
        facts["weights and biases"] = f"{manifest.architecture.parameters:,}"
    return facts


def _lead(content: Content) -> str:
    manifest, inputs = content.manifest, content.data.inputs
    names = listed(inputs) if len(inputs) <= NAMED else f"{len(inputs)} inputs"
    some = len(content.sample) < len(content.data)
    return (
        f"{label(manifest.output)} from {names}: {_what(content)}, "
        f"fitted on {len(content.data):,} rows of {content.data.source}."
        + (f" The pictures show {len(content.sample)} of them." if some else "")
    )


def _what(content: Content) -> str:
    made = content.manifest.architecture
    if made is None:
        return "a model made elsewhere"
    if not made.hidden:
        return "one linear unit"
    layers = listed([f"{width}" for width in made.hidden])
    kind = "ReLU" if content.rectified else made.activation
    hidden = "hidden layers" if len(made.hidden) > 1 else "a hidden layer"
    stack = f"{hidden} of {layers} {kind} units"
    if made.members == 1:
        return f"a network with {stack}"
    return f"the average of {made.members} networks with {stack}"


def listed(names: Sequence[str]) -> str:
    """Names as a sentence lists them."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def _section(section: Section) -> str:
    """A single figure stands beside the words and their tables, several stand below them."""
    figures = "\n".join(map(_figure, section.figures))
    said = "\n".join(f"<p>{_prose(each)}</p>" for each in section.text.split("\n\n"))
    words = f"<div><h2>{escape(section.title)}</h2>\n{said}</div>"
    tables = _tables(section.tables)
    if not section.figures:
        shown = f"{words}{tables}"
    elif len(section.figures) == 1:
        shown = f'<div class="beside">{words}\n{figures}\n{tables}</div>'
    else:
        shown = f'{words}<div class="figures">{figures}</div>{tables}'
    return f"<section>{shown}{_tables(section.below)}</section>"


def _prose(text: str) -> str:
    """Plain text; what is between backticks is code."""
    return re.sub(r"`(.+?)`", r"<code>\1</code>", escape(text))


def _figure(figure: Figure) -> str:
    caption = f"<figcaption>{_prose(figure.caption)}</figcaption>" if figure.caption else ""
    heading = f"<h3>{escape(figure.picture.about.title)}</h3>"
    return f"<figure>{heading}{figure.picture.inline()}{caption}</figure>"


def _tables(tables: Sequence[Table]) -> str:
    return f'<div class="tables">{"".join(map(_table, tables))}</div>' if tables else ""


def _table(table: Table) -> str:
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in table.header)
    lines = "".join(
        f"<tr{MARKED * (name == table.marked)}>"
        f'<th scope="row">{escape(name)}</th>'
        + "".join(f"<td>{escape(cell)}</td>" for cell in cells)
        + "</tr>\n"
        for name, *cells in table.rows
    )
    return (
        f"<table><caption>{escape(table.caption)}</caption>\n"
        f"<thead><tr>{head}</tr></thead>\n<tbody>{lines}</tbody></table>"
    )
