"""The report: its pictures show the trained model, its page stands alone."""

import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from models.manifest import REPORT, Compared
from tests.training.conftest import skip_fits
from training.architectures import ARCHITECTURES
from training.report import Content, content_of, write
from training.report.chart import Chart
from training.report.content import SHOWN
from training.report.diagram import network, unit
from training.report.measured import worst
from training.report.page import render
from training.report.rectifier import forward, telling_unit
from training.report.sections import sections
from training.report.svg import Picture, signed
from training.train import Config, train

ALWAYS = ["Learning", "Predicted and measured", "Calibration", "Comparison"]
UNITS = re.compile(r"\((g|kcal|no unit|%)\)|training step")
Make = Callable[..., Content]


@pytest.fixture(scope="module")
def make() -> Make:
    """The content of a training in which nothing is fitted; the same one is made once."""

    @cache
    def make(name: str, **changes: object) -> Content:
        architecture = replace(ARCHITECTURES[name], **changes)  # type: ignore[arg-type]
        with pytest.MonkeyPatch.context() as patch:
            skip_fits(patch)
            return content_of(train(Config(architecture=architecture)), architecture.model)

    return make


def pictures(content: Content) -> list[Picture]:
    return [figure.picture for section in sections(content) for figure in section.figures]


def texts(picture: Picture, tag: str = "text") -> list[str]:
    return [each.text or "" for each in picture.root.iter(tag)]


def page(content: Content) -> str:
    return render(content, sections(content))


def test_the_diagrams_carry_every_weight_and_bias_as_a_number(make: Make) -> None:
    for name, draw, unit_of in (("linear", unit, " kcal/g"), ("deep", network, "")):
        content = make(name)
        shown = texts(draw(content))
        for kernel, bias in content.networks[0]:
            assert {f"{signed(weight)}{unit_of}" for weight in kernel.ravel()} <= set(shown)
            assert all(any(signed(b) in text for text in shown) for b in bias)


def test_every_line_of_a_wide_network_tells_its_weight(make: Make) -> None:
    content = make("ensemble", hidden=(16, 16))
    tips = [text for text in texts(network(content), "title") if " to " in text]
    kernel = content.networks[0][0][0]
    assert f"sugar to layer 1, unit 1: {signed(kernel[0, 0])}" in tips
    assert len(tips) == 48 + 90 + 16, "of 256 weights between the hidden layers, the strongest"


def test_names_that_do_not_fit_beside_each_other_stand_on_end(make: Make) -> None:
    many = ("sugar", "fiber", "protein", "fat", "sodium", "carbo", "potass", "vitamins")
    names = network(make("deep", inputs=many)).root.iter("text")
    upright = [name.text for name in names if "rotate" in name.get("transform", "")]
    assert upright == list(many)


def test_the_networks_of_the_pictures_answer_as_the_model(make: Make) -> None:
    content = make("ensemble")
    rows = content.data.rows
    answers = np.mean([forward(member, rows)[-1][:, 0] for member in content.networks], axis=0)
    assert answers == pytest.approx(content.predict(rows)[0], abs=1e-3)


def test_the_unit_that_is_shown_is_on_for_some_rows_and_off_for_others(make: Make) -> None:
    content = make("deep")
    on = telling_unit(content).sums(content.data.rows) > 0
    assert 0.1 < on.mean() < 0.9


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_axis_has_a_label_with_its_unit(make: Make, name: str) -> None:
    content = replace(make(name), comparison=[LINE])
    charts = [picture for picture in pictures(content) if isinstance(picture, Chart)]
    labels = [axis.label for chart in charts for axis in (chart.x, chart.y) if not axis.names]
    assert len(labels) >= 9
    assert all(UNITS.search(label) for label in labels)
    assert all({chart.x.label, chart.y.label} - {""} <= set(texts(chart)) for chart in charts)


@pytest.mark.parametrize(
    ("name", "changes", "titles"),
    [
        ("linear-unit", {}, ["The linear unit", "The line"]),
        ("linear", {}, ["The linear unit", "The plane"]),
        ("ensemble", {}, ["The network", "The ReLU", "How the stack bends the plane"]),
        (
            "deep",
            {"inputs": ("sugar",)},
            ["The network", "The ReLU", "How the stack bends the line"],
        ),
        ("deep", {"activation": "tanh"}, ["The network", "How the stack bends the plane"]),
    ],
)
def test_an_architecture_gets_the_sections_that_make_sense_for_it(
    make: Make, name: str, changes: dict[str, object], titles: list[str]
) -> None:
    content = make(name, **changes)
    assert [section.title for section in sections(content)] == [*titles, *ALWAYS]


def test_the_five_worst_rows_are_named(make: Make) -> None:
    content = make("linear-unit")
    error = np.abs(content.predicted - content.data.target)
    rows = worst(content)
    assert sorted(error)[-5:] == sorted(error[rows])
    for place, row in enumerate(rows, 1):
        name = content.data.names[row].replace("_", " ").replace("&", "&amp;")
        assert f"{place}. {name.replace(chr(39), '&#x27;')}" in page(content)


LINE = Compared(
    name="random forest",
    mean_absolute_error=9.34,
    root_mean_squared_error=14,
    r2=0.5,
    difference=(-3.2, -1),
    half_width=None,
    coverage=None,
    seconds=12,
)


def test_the_comparison_shows_every_line_or_how_to_get_one(make: Make) -> None:
    lines = [LINE, LINE.model_copy(update={"name": "median"})]
    html = page(replace(make("deep"), comparison=lines))
    for expected in ("random forest", "median", "9.34", f"{signed(-3.2)} to {signed(-1)}", "12.00"):
        assert expected in html
    html = page(replace(make("deep"), comparison=()))
    assert "<code>python -m training evaluate</code>" in html
    assert "least squares" in html


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_report_is_small_well_formed_and_stands_alone(
    make: Make, name: str, tmp_path: Path
) -> None:
    write(make(name), tmp_path)
    html = (tmp_path / REPORT).read_text()
    assert len(html) < 400_000
    assert not re.search(r"https?:|\b(src|href)=|@import|url\(|<script", html)
    assert "prefers-color-scheme: dark" in html
    body = ET.fromstring(  # noqa: S314  what was written a line above
        html[html.index("<main>") : html.index("</body>")]
    )
    ids = [each.get("id") for each in body.iter() if each.get("id")]
    assert len(ids) == len(set(ids))
    files = sorted((tmp_path / "report").glob("*.svg"))
    assert len(files) == len(list(body.iter("svg")))
    for file in files:
        assert ET.parse(file).getroot().tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314
    for picture in pictures(make(name)):  # each says what it shows
        named = (picture.root.get("aria-labelledby") or "").split()
        told = {each.get("id"): each.text for each in picture.root}
        assert all(told[name] for name in named)


def test_the_same_training_gives_the_same_report(make: Make, tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        write(make("deep"), tmp_path / folder)
    one, two = (sorted((tmp_path / folder / "report").iterdir()) for folder in ("one", "two"))
    assert [file.read_bytes() for file in one] == [file.read_bytes() for file in two]


def test_a_name_in_the_data_is_text_and_never_markup(make: Make) -> None:
    content = make("linear-unit")
    names = ("<b>Bran & Co</b>",) * len(content.data)
    html = page(replace(content, data=replace(content.data, names=names)))
    assert "<b>" not in html
    assert "&lt;b&gt;Bran &amp; Co&lt;/b&gt;" in html


def test_of_very_many_rows_some_are_drawn_and_the_page_says_so(make: Make) -> None:
    content = make("deep")
    data = content.data
    many = replace(
        content,
        data=replace(
            data,
            names=data.names * 100,
            rows=np.tile(data.rows, (100, 1)),
            target=np.tile(data.target, 100),
        ),
        held_out=np.tile(content.held_out, (1, 100)),
        half_widths=np.tile(content.half_widths, 100),
    )
    html = page(many)
    assert len(html) < 400_000
    assert f"7,600 rows of cereals. The pictures show {SHOWN} of them." in html


def test_a_network_that_always_answers_the_same_gets_its_report(make: Make) -> None:
    content = make("deep")
    still = [[(np.zeros_like(kernel), bias) for kernel, bias in content.networks[0]]]
    level = np.full(len(content.data), 100.0)
    html = page(
        replace(
            content,
            networks=still,
            predict=lambda rows: (np.full(len(rows), 100.0),) * 3,
            held_out=level[None],
            half_widths=0 * level,
        )
    )
    assert "nan" not in re.sub(r"<[^>]*>", "", html).split()
    assert not re.search(r'd="[^"]*nan', html)
