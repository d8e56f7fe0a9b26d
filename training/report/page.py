"""The page as HTML: a head with the figures that matter most, then section by section."""

import re
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from string import Template

import numpy as np

from training.report import svg
from training.report.content import Content
from training.report.sections import Figure, Section, Table

HERE = Path(__file__).parent
PAGE = Template((HERE / "page.html").read_text())
STYLE = svg.STYLE + (HERE / "page.css").read_text()
MARKED = ' class="this"'


def render(content: Content, shown: Sequence[Section]) -> str:
    """The whole page of a version."""
    head = header(content.model, _lead(content), _facts(content))
    return document(f"{content.model}: report", head, shown)


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
    score = content.evaluation.model
    mean = " on average" if np.ptp(content.half_widths) > 0 else ""
    return {
        "mean absolute error on rows that were held out": f"{score.mean_absolute_error:.1f} kcal",
        f"the {content.coverage:.0%} interval to either side{mean}": (
            f"± {content.half_widths.mean():.1f} kcal"
        ),
        "R², the share of the variance explained, held out": svg.signless(score.r2),
        "weights and biases": f"{content.architecture.parameters:,}",
    }


def _lead(content: Content) -> str:
    rows = f"{len(content.data):,} rows of {content.data.source}"
    some = len(content.sample) < len(content.data)
    return (
        f"Calories, from its {listed(content.data.inputs)}: "
        f"{_what(content)}, fitted on {rows}."
        + (f" The pictures show {len(content.sample)} of them." if some else "")
    )


def _what(content: Content) -> str:
    architecture = content.architecture
    if not architecture.hidden:
        return "one linear unit"
    layers = listed([f"{width}" for width in architecture.hidden])
    kind = "ReLU" if content.rectified else architecture.activation
    hidden = "hidden layers" if len(architecture.hidden) > 1 else "a hidden layer"
    stack = f"{hidden} of {layers} {kind} units"
    if architecture.members == 1:
        return f"a network with {stack}"
    return f"the average of {architecture.members} networks with {stack}"


def listed(names: Sequence[str]) -> str:
    """Names as a sentence lists them."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def _section(section: Section) -> str:
    """A single figure stands beside the words and their tables, several stand below them."""
    figures = "\n".join(map(_figure, section.figures))
    words = f"<div><h2>{escape(section.title)}</h2>\n<p>{_prose(section.text)}</p></div>"
    tables = _tables(section.tables)
    if len(section.figures) == 1:
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
