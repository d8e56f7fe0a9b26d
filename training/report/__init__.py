"""The report: one page a version, self-contained, drawn from the trained model itself.

content    what is shown, as data
svg        a picture; chart: one with axes
diagram    the network and its weights
plane      how the answers run over the inputs
rectifier  the ReLU and what a unit does to the data
measured   errors, intervals, comparison
page       the sections and their sentences
"""

from pathlib import Path

from models.manifest import REPORT
from training.report.content import Content, content_of
from training.report.page import render
from training.report.sections import sections

__all__ = ["Content", "content_of", "write"]


def write(content: Content, version: Path) -> None:
    """Write `report/index.html`, and each picture as a file beside it, into a version's folder."""
    page = version / REPORT
    page.parent.mkdir()
    shown = sections(content)
    page.write_text(render(content, shown))
    for picture in (figure.picture for section in shown for figure in section.figures):
        page.with_name(f"{picture.about.name}.svg").write_text(picture.standalone())
